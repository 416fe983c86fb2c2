//! Decoding and comparing, on a thread of its own.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::{
    digest::Digest,
    error::{Error, Result},
    gzip::Decoder,
    manifest::Manifest,
};

/// What the manifest says of the stored and of the raw bytes.
pub(super) struct Expected {
    stored: (u64, Digest),
    raw: (u64, Digest),
}

impl Expected {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let Manifest { stored, raw, .. } = manifest;
        Self { stored: (stored.size, stored.sha256), raw: (raw.size, raw.sha256) }
    }
}

/// Decodes what comes from `stored` into `raw`. The last thing sent is either an error, or nothing,
/// which says that everything agrees.
pub(super) fn run(
    what: &str,
    expected: &Expected,
    stored: Receiver<Result<Bytes>>,
    raw: &Sender<Result<Option<Bytes>>>,
) {
    let last = decode(what, expected, stored, raw).map(|()| None);
    // Nobody listens any more when the download was dropped.
    let _nobody_listens = raw.blocking_send(last);
}

fn decode(
    what: &str,
    expected: &Expected,
    mut stored: Receiver<Result<Bytes>>,
    raw: &Sender<Result<Option<Bytes>>>,
) -> Result<()> {
    let (mut stored_count, mut raw_count) = (Count::default(), Count::default());
    let mut decoder = Decoder::new(what, expected.raw.0, |chunk: Bytes| {
        raw_count.add(&chunk);
        raw.blocking_send(Ok(Some(chunk))).map_err(|_| dropped())
    });
    while let Some(bytes) = stored.blocking_recv() {
        let bytes = bytes?;
        stored_count.add(&bytes);
        decoder.push(&bytes)?;
    }
    decoder.finish()?;
    stored_count.compare(what, "stored", expected.stored)?;
    raw_count.compare(what, "decoded", expected.raw)
}

fn dropped() -> Error {
    Error::Other { what: "reading a backup".into(), detail: "nobody wants it any more".into() }
}

/// Size and digest of what has passed.
#[derive(Default)]
struct Count {
    size: u64,
    sha256: Sha256,
}

impl Count {
    fn add(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.sha256.update(bytes);
    }

    fn compare(self, what: &str, which: &str, (size, sha256): (u64, Digest)) -> Result<()> {
        if self.size != size {
            let problem =
                format!("{} bytes were {which} where its manifest says {size}", self.size);
            return Err(Error::damaged(what, problem));
        }
        if Digest::from(self.sha256) != sha256 {
            let problem = format!("the SHA-256 of what was {which} is not that of its manifest");
            return Err(Error::damaged(what, problem));
        }
        Ok(())
    }
}
