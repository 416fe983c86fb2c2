//! The backup's bytes into one file.
//!
//! ```text
//! store ─> SHA-256 ─> gunzip ─────> file
//!          (the crate `archive`, threads)  (another thread)
//! ```
//!
//! Stored digest, sizes and gzip's own sums are proven when this is done; what the raw bytes are is for
//! [`super::check`]. The file is not synced: no later run uses it, and the sum that is given tells what the
//! disk then makes of it from what was there.

use std::{fs::File, io::Write, path::Path};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
};

use super::{problem::Problem, progress::Progress, source::Chosen};

/// Pieces between the two threads, of a quarter of a MiB each.
const WAITING: usize = 4;

/// Brings a backup's snapshot into a new file; gives the CRC-32 of what was written there.
pub(crate) async fn run(backup: &Chosen, to: &Path) -> Result<u32, Problem> {
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
    let written = keeping.await.map_err(|error| Problem::Other(error.into()))??;
    progress.finish();
    Ok(written)
}

fn keep(writing: &str, mut file: File, mut pieces: Receiver<Bytes>) -> Result<u32, Problem> {
    let mut sum = crc32fast::Hasher::new();
    while let Some(piece) = pieces.blocking_recv() {
        sum.update(&piece);
        file.write_all(&piece).map_err(Problem::disk(writing))?;
    }
    Ok(sum.finalize())
}

fn fault_half_way(received: u64, size: u64) {
    if received >= size / 2 {
        fault::point("downloading");
    }
}
