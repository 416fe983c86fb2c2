//! Decoding and comparing, on a thread of its own.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};

use crate::{
    digest::Digest,
    error::{Error, Result},
    gzip::Unpacker,
    manifest::Manifest,
};

/// What the manifest says of the stored and of the raw bytes.
pub(super) struct Expected {
    stored: (u64, Digest),
    raw_size: u64,
    /// Nothing when whoever takes the raw bytes compares it.
    raw_sha256: Option<Digest>,
}

impl Expected {
    pub(super) fn of(manifest: &Manifest, is_raw_digest_ours: bool) -> Self {
        let Manifest { stored, raw, .. } = manifest;
        let raw_sha256 = is_raw_digest_ours.then_some(raw.sha256);
        Self { stored: (stored.size, stored.sha256), raw_size: raw.size, raw_sha256 }
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
    let mut stored_count = Count::new(true);
    let mut raw_count = Count::new(expected.raw_sha256.is_some());
    let mut decoder = Unpacker::new(what, expected.raw_size, |chunk: Bytes| {
        raw_count.add(&chunk);
        raw.blocking_send(Ok(Some(chunk))).map_err(|_| dropped())
    });
    while let Some(bytes) = stored.blocking_recv() {
        let bytes = bytes?;
        stored_count.add(&bytes);
        decoder.push(&bytes)?;
    }
    decoder.finish()?;
    let (stored_size, stored_sha256) = expected.stored;
    stored_count.compare(what, "stored", stored_size, Some(stored_sha256))?;
    raw_count.compare(what, "decoded", expected.raw_size, expected.raw_sha256)
}

fn dropped() -> Error {
    Error::Other { what: "reading a backup".into(), detail: "nobody wants it any more".into() }
}

/// Size and, if wanted, digest of what has passed.
struct Count {
    size: u64,
    sha256: Option<Sha256>,
}

impl Count {
    fn new(has_digest: bool) -> Self {
        Self { size: 0, sha256: has_digest.then(Sha256::new) }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    fn compare(self, what: &str, which: &str, size: u64, sha256: Option<Digest>) -> Result<()> {
        if self.size != size {
            let problem =
                format!("{} bytes were {which} where its manifest says {size}", self.size);
            return Err(Error::damaged(what, problem));
        }
        if self.sha256.map(Digest::from) != sha256 {
            return Err(other_digest(what, which));
        }
        Ok(())
    }
}

/// Bytes of the right number that are not those of the manifest.
pub(super) fn other_digest(what: &str, which: &str) -> Error {
    Error::damaged(what, format!("the SHA-256 of what was {which} is not that of its manifest"))
}
