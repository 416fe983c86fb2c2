//! Reading a backup's data back: every byte checked, however often the connection breaks.
//!
//! ```text
//! Origin ─ ranged reads, resumed ─> SHA-256 ─> gunzip ─> SHA-256 ─> next()
//!          (a task)                 (one thread, off the async ones; gunzip on more)
//! ```
//!
//! [`Download::next`] gives the raw bytes as they come, so whoever writes them somewhere must not use
//! them before it has given [`None`]: that happens only if stored size and digest and raw size and
//! digest are those of the manifest. (The raw digest is left to whoever takes [`Download::unproven`].)
//! Both channels are bounded: who takes slowly slows the reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_blocking};

use crate::{
    digest::Digest,
    error::{Error, Result},
    key::Key,
    layout::ArchivePath,
    manifest::{GZIP, Manifest},
    store::{Reading, Span, Store},
};

mod check;
mod resume;

use check::Expected;

/// Pieces that wait in each channel. Stores give at most 1 MiB at a time, the decoder a quarter.
const WAITING: usize = 4;

/// Where the stored bytes of one backup come from.
#[async_trait]
pub trait Origin: Send + Sync + 'static {
    /// The bytes from this one to the last. Each wait for the next piece has a limit of its own. An
    /// error that [`Error::is_retryable`] makes the download go on from where it broke.
    async fn read(&self, from: u64) -> Result<BoxStream<'static, Result<Bytes>>>;
}

/// A backup's raw bytes on their way. Dropping it ends the reading.
#[derive(Debug)]
pub struct Download {
    raw: mpsc::Receiver<Result<Option<Bytes>>>,
    received: Arc<AtomicU64>,
    stored_size: u64,
    reading: AbortHandle,
}

impl Download {
    /// Begins to read a backup from the store that keeps it.
    pub fn open(store: Arc<dyn Store>, archive: &ArchivePath, manifest: &Manifest) -> Result<Self> {
        Self::of(object(store, archive, manifest)?, manifest)
    }

    /// Begins to read a backup from elsewhere, such as the sidecar's API. Refuses what is encoded in a
    /// way that this version does not know.
    pub fn of(origin: Arc<dyn Origin>, manifest: &Manifest) -> Result<Self> {
        Self::begin(origin, manifest, true)
    }

    /// The same for somebody who computes the raw SHA-256 himself, as `snapshot::Checker` does, and asks
    /// [`prove`] whether it is the right one. To compute it twice takes half a second for each GB.
    pub fn unproven(origin: Arc<dyn Origin>, manifest: &Manifest) -> Result<Self> {
        Self::begin(origin, manifest, false)
    }

    fn begin(origin: Arc<dyn Origin>, manifest: &Manifest, is_proven: bool) -> Result<Self> {
        let what = format!("backup {}", manifest.id);
        check_encodings(&what, &manifest.stored.encodings)?;
        let expected = Expected::of(manifest, is_proven);
        let received = Arc::new(AtomicU64::new(0));
        let (send_stored, stored) = mpsc::channel(WAITING);
        let (send_raw, raw) = mpsc::channel(WAITING);
        let size = manifest.stored.size;
        let reading = resume::read(what.clone(), origin, size, received.clone(), send_stored);
        let reading = tokio::spawn(reading).abort_handle();
        let checking = spawn_blocking(move || check::run(&what, &expected, stored, &send_raw));
        // It ends with the channels; its last word is the end of them.
        drop(checking);
        Ok(Self { raw, received, stored_size: size, reading })
    }

    /// The next raw bytes; nothing once all have come and everything agrees with the manifest.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.raw.recv().await.unwrap_or_else(|| {
            Err(Error::Other { what: "decoding a backup".into(), detail: "it ended early".into() })
        })
    }

    /// Stored bytes that have come so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Stored bytes that will come in all.
    pub fn stored_size(&self) -> u64 {
        self.stored_size
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The data of a backup in the store that keeps it.
pub fn object(
    store: Arc<dyn Store>,
    archive: &ArchivePath,
    manifest: &Manifest,
) -> Result<Arc<dyn Origin>> {
    let key = archive.object(manifest.id, &manifest.stored.object)?;
    Ok(Arc::new(Object { store, key, size: manifest.stored.size }))
}

/// Whether the raw bytes of a download that was not proven are those of the manifest.
pub fn prove(manifest: &Manifest, raw_sha256: Digest) -> Result<()> {
    if manifest.raw.sha256 == raw_sha256 {
        return Ok(());
    }
    Err(check::other_digest(&format!("backup {}", manifest.id), "decoded"))
}

fn check_encodings(what: &str, encodings: &[String]) -> Result<()> {
    if encodings == [GZIP] {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "the encodings {encodings:?} of {what} in this version, which knows gzip alone; use a newer one"
    )))
}

/// An object of a store.
struct Object {
    store: Arc<dyn Store>,
    key: Key,
    /// What the manifest says.
    size: u64,
}

#[async_trait]
impl Origin for Object {
    async fn read(&self, from: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        let reading = self.store.get(&self.key, Span::from(from)).await?;
        if reading.size() != self.size {
            let [there, said] = [reading.size(), self.size];
            let problem = format!("it has {there} bytes where its manifest says {said}");
            return Err(Error::damaged(&self.key, problem));
        }
        let next = |mut reading: Reading| async {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        };
        Ok(stream::try_unfold(reading, next).boxed())
    }
}

#[cfg(test)]
mod tests;
