//! The backup's bytes into one file.
//!
//! ```text
//! store ─> SHA-256 ─> gunzip ─────> file
//!          (the crate `archive`, threads)  (another thread)
//! ```
//!
//! Stored digest, sizes and gzip's own sums are proven when this is done; what the raw bytes are is for
//! [`super::check`]. The file is not synced: no later run uses it, and what the disk then makes of it
//! is checked by etcdutl against the hash at its end.

use std::{fs::File, io::Write, path::Path};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
};

use super::{problem::Problem, progress::Progress, source::Chosen};

/// Pieces between the two threads, of a quarter of a MiB each.
const WAITING: usize = 4;

/// Brings a backup's snapshot into a new file.
pub(crate) async fn run(backup: &Chosen, to: &Path) -> Result<(), Problem> {
    let mut download = backup.download()?;
    let writing = format!("writing {}", to.display());
    let file = File::create_new(to).map_err(Problem::disk(&writing))?;
    let (send, pieces) = channel(WAITING);
    let keeping = spawn_blocking(move || keep(&writing, file, pieces));
    let mut progress = Progress::new("download", download.stored_size());
    while let Some(piece) = download.next().await? {
        progress.update(download.received());
        fault_half_way(download.received(), download.stored_size());
        // Who keeps them has given up; it says why below.
        if send.send(piece).await.is_err() {
            break;
        }
    }
    drop(send);
    keeping.await.map_err(|error| Problem::Other(error.into()))??;
    progress.finish();
    Ok(())
}

fn keep(writing: &str, mut file: File, mut pieces: Receiver<Bytes>) -> Result<(), Problem> {
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece).map_err(Problem::disk(writing))?;
    }
    Ok(())
}

fn fault_half_way(received: u64, size: u64) {
    if received >= size / 2 {
        fault::point("downloading");
    }
}
