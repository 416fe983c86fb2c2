//! The way of a snapshot's bytes from etcd into the store, in bounded memory whatever their number.
//!
//! ```text
//!            ┌─> check (one thread): structure, digests <────────┐
//! etcd ──────┤                                                   │
//!            └─> gzip (threads, a block each) ── members ──┬─────┘
//!                                                          └─> upload
//! ```
//!
//! Every channel is bounded, so the slowest stage sets the pace. Each wait has a limit of its own: for
//! etcd's next bytes while they are wanted, and the store's for its. Nothing limits the whole.

use archive::{
    digest::Digest,
    gzip::Compressor,
    store::{PART, Upload},
};
use bytes::Bytes;
use etcd::SnapshotStream;
use snapshot::Checked;
use tokio::sync::mpsc;

use crate::serve::Progress;

mod check;

use check::{Check, Found};

/// Members of gzip on their way to the upload; each has at most a MiB.
const MEMBERS_WAITING: usize = 2;

/// A snapshot that went into an upload, whole and checked.
#[derive(Debug)]
pub(crate) struct Streamed {
    /// What it is.
    pub checked: Checked,
    /// Bytes that were uploaded.
    pub stored_size: u64,
    /// Their SHA-256.
    pub stored_sha256: Digest,
}

/// Why a snapshot did not get into the upload.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// etcd failed.
    #[error("the snapshot did not come whole: {0}")]
    Etcd(#[from] etcd::Error),
    /// What came is no good snapshot.
    #[error("the snapshot that etcd sent is damaged: {0}; see that the member's disk is good")]
    Damaged(#[from] snapshot::Error),
    /// The store failed, or the compression did.
    #[error("{0}")]
    Store(#[from] archive::Error),
    /// A thread ended by itself, which is a mistake in the program.
    #[error("the check of the snapshot ended by itself ({0}); please report this")]
    Thread(String),
}

impl StreamError {
    /// A fixed word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Etcd(error) => error.reason(),
            Self::Damaged(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Thread(_) => "Internal",
        }
    }

    /// The store's error, if it is one.
    pub fn of_the_store(&self) -> Option<&archive::Error> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

/// Streams the whole snapshot into the upload, which is left to be finished or aborted.
pub(crate) async fn stream(
    snapshot: SnapshotStream,
    upload: &mut Box<dyn Upload>,
    progress: &Progress,
) -> Result<Streamed, StreamError> {
    let (check, checking) = Check::start();
    let (members, waiting) = mpsc::channel(MEMBERS_WAITING);
    let feeding = feed(snapshot, check.clone(), members, progress);
    let storing = store(waiting, check, upload, progress);
    let done = tokio::try_join!(feeding, storing);
    // Its channel is closed by now, so it comes to an end. What it found is the cause when the others
    // could not go on without it.
    match (checking.await, done) {
        (Ok(Ok(Found { checked, stored_size, stored_sha256 })), Ok(_)) => {
            Ok(Streamed { checked, stored_size, stored_sha256 })
        }
        (Ok(Err(error)), Ok(_) | Err(Stop::NoCheck)) => Err(error.into()),
        (Err(error), _) => Err(StreamError::Thread(error.to_string())),
        (_, Err(Stop::For(error))) => Err(error),
        (Ok(Ok(_)), Err(Stop::NoCheck)) => Err(StreamError::Thread("too early".to_owned())),
    }
}

/// Why one of the stages came to no end.
enum Stop {
    /// The check takes nothing any more; it knows why.
    NoCheck,
    For(StreamError),
}

impl<E: Into<StreamError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::For(error.into())
    }
}

/// From etcd to the check and through the compression.
async fn feed(
    mut snapshot: SnapshotStream,
    check: Check,
    members: mpsc::Sender<Bytes>,
    progress: &Progress,
) -> Result<(), Stop> {
    let mut gzip = Compressor::default();
    while let Some(bytes) = snapshot.next().await? {
        progress.receive(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        check.raw(bytes.clone()).await.map_err(|()| Stop::NoCheck)?;
        hand_on(gzip.push(bytes).await?, &members).await?;
    }
    hand_on(gzip.finish().await?, &members).await
}

async fn hand_on(ready: Vec<Bytes>, members: &mpsc::Sender<Bytes>) -> Result<(), Stop> {
    for member in ready {
        // The upload has failed then, and its error is the one that counts.
        members.send(member).await.map_err(|_| Stop::NoCheck)?;
    }
    Ok(())
}

/// From the compression into the upload.
async fn store(
    mut members: mpsc::Receiver<Bytes>,
    check: Check,
    upload: &mut Box<dyn Upload>,
    progress: &Progress,
) -> Result<(), Stop> {
    let mut stored = 0_usize;
    while let Some(member) = members.recv().await {
        stored = stored.saturating_add(member.len());
        let length = u64::try_from(member.len()).unwrap_or(u64::MAX);
        check.stored(member.clone()).await.map_err(|()| Stop::NoCheck)?;
        upload.write(member).await?;
        progress.store(length);
        fault::point("mid-upload");
        if stored > PART.saturating_mul(3) {
            fault::point("after-parts");
        }
    }
    Ok(())
}
