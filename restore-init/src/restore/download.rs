//! The backup's bytes, checked while they come, into one file.
//!
//! ```text
//! store ─> SHA-256 ─> gunzip ─> SHA-256 ─> structure ─> file
//!          (the crate `archive`, a thread)  (another thread)
//! ```
//!
//! The file is not synced: no later run uses it, and what the disk then makes of it is checked by
//! etcdutl against the hash at its end.

use std::{fs::File, io::Write, path::Path};

use archive::manifest::Manifest;
use bytes::Bytes;
use snapshot::{Checked, Checker};
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
};

use super::{fault, problem::Problem, progress::Progress, source::Chosen};

/// Pieces between the two threads, of a quarter of a MiB each.
const WAITING: usize = 4;

/// Brings a backup's snapshot into a new file. It is whole, and what the manifest says, when this
/// returns.
pub(crate) async fn run(backup: &Chosen, to: &Path) -> Result<(), Problem> {
    let mut download = backup.download()?;
    let writing = format!("writing {}", to.display());
    let file = File::create_new(to).map_err(Problem::disk(&writing))?;
    let (send, pieces) = channel(WAITING);
    let id = backup.manifest.id.to_string();
    let keeping = spawn_blocking(move || keep(&id, &writing, file, pieces));
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
    let kept = keeping.await.map_err(|error| Problem::Other(error.into()))??;
    compare(&backup.manifest, &kept)?;
    progress.finish();
    Ok(())
}

fn keep(
    backup: &str,
    writing: &str,
    mut file: File,
    mut pieces: Receiver<Bytes>,
) -> Result<Checked, Problem> {
    let damaged = |source| Problem::Snapshot { backup: backup.to_owned(), source };
    let mut checker = Checker::new();
    while let Some(piece) = pieces.blocking_recv() {
        checker.push(&piece).map_err(damaged)?;
        file.write_all(&piece).map_err(Problem::disk(writing))?;
    }
    checker.finish().map_err(damaged)
}

/// The bytes are those that the manifest names; what is in them must be what it says, too.
fn compare(manifest: &Manifest, kept: &Checked) -> Result<(), Problem> {
    let contents = &kept.contents;
    let [said, found] = [manifest.revision, contents.revision];
    let problem = if said != found {
        format!("its last revision is {found}, not {said}")
    } else if manifest.source.storage_version != contents.storage_version {
        let [said, found] = [&manifest.source.storage_version, &contents.storage_version];
        format!("the version of its layout is {found:?}, not {said:?}")
    } else {
        return Ok(());
    };
    Err(Problem::Contradiction { backup: manifest.id.to_string(), problem })
}

fn fault_half_way(received: u64, size: u64) {
    if received >= size / 2 {
        fault::point("downloading");
    }
}
