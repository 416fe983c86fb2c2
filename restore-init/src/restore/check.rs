//! Whether the downloaded snapshot is the one that the manifest means, and whole.
//!
//! etcdutl works on one processor and on the disk, so this goes on beside it: nothing that etcdutl makes
//! gets its name before this has come to its end as well. What is wrong with the snapshot is told
//! rather than what etcdutl says of it.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::PathBuf,
};

use archive::{download, manifest::Manifest};
use snapshot::{Checked, Checker};
use tokio::task::spawn_blocking;

use super::problem::Problem;

const PIECE: usize = 256 << 10;

/// Does both at once. The other is ended when the snapshot is bad, and waited for when it is good.
pub(crate) async fn beside(
    other: impl Future<Output = Result<(), Problem>>,
    manifest: &Manifest,
    snapshot: PathBuf,
) -> Result<(), Problem> {
    let backup = manifest.id.to_string();
    let checking = async {
        let checked = spawn_blocking(move || check(&backup, &snapshot)).await;
        compare(manifest, &checked.map_err(|error| Problem::Other(error.into()))??)
    };
    let (mut other, mut checking) = (std::pin::pin!(other), std::pin::pin!(checking));
    tokio::select! {
        checked = &mut checking => {
            checked?;
            other.await
        }
        // A disk that does not answer etcdutl does not answer us.
        Err(stalled @ Problem::Stalled(_)) = &mut other => Err(stalled),
    }
}

fn check(backup: &str, snapshot: &PathBuf) -> Result<Checked, Problem> {
    let damaged = |source| Problem::Snapshot { backup: backup.to_owned(), source };
    let reading = || Problem::disk(format!("reading {}", snapshot.display()));
    let mut file = File::open(snapshot).map_err(reading())?;
    let (mut checker, mut piece) = (Checker::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return checker.finish().map_err(damaged),
            Ok(length) => checker.push(piece.get(..length).unwrap_or_default()).map_err(damaged)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(reading()(error)),
        }
    }
}

/// The bytes are those that the manifest names; what is in them must be what it says, too.
fn compare(manifest: &Manifest, checked: &Checked) -> Result<(), Problem> {
    download::prove(manifest, checked.sha256.into())?;
    let contents = &checked.contents;
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
