//! The one thread that looks at every byte, raw and stored.

use archive::digest::Digest;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use snapshot::{Checked, Checker};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
};

/// etcd sends 32 KiB at a time: this is one MiB.
const WAITING: usize = 32;

/// The way to the thread.
#[derive(Clone)]
pub(super) struct Check {
    passing: mpsc::Sender<Passing>,
}

enum Passing {
    Raw(Bytes),
    Stored(Bytes),
}

/// What the thread found, when nothing was wrong.
pub(super) struct Found {
    pub(super) checked: Checked,
    pub(super) stored_size: u64,
    pub(super) stored_sha256: Digest,
}

impl Check {
    /// Starts the thread. It ends when all clones of the way to it are gone, or at the first flaw.
    pub(super) fn start() -> (Self, JoinHandle<Result<Found, snapshot::Error>>) {
        let (passing, arriving) = mpsc::channel(WAITING);
        (Self { passing }, spawn_blocking(move || run(arriving)))
    }

    /// Bytes as etcd sent them. Fails when the check has ended.
    pub(super) async fn raw(&self, bytes: Bytes) -> Result<(), ()> {
        self.passing.send(Passing::Raw(bytes)).await.map_err(|_| ())
    }

    /// Bytes as they are stored. Fails when the check has ended.
    pub(super) async fn stored(&self, bytes: Bytes) -> Result<(), ()> {
        self.passing.send(Passing::Stored(bytes)).await.map_err(|_| ())
    }
}

fn run(mut arriving: mpsc::Receiver<Passing>) -> Result<Found, snapshot::Error> {
    let (mut checker, mut stored_size, mut stored) = (Checker::new(), 0_u64, Sha256::new());
    while let Some(passing) = arriving.blocking_recv() {
        match passing {
            Passing::Raw(bytes) => checker.push(&bytes)?,
            Passing::Stored(bytes) => {
                stored.update(&bytes);
                stored_size =
                    stored_size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
        }
    }
    Ok(Found { checked: checker.finish()?, stored_size, stored_sha256: Digest::from(stored) })
}
