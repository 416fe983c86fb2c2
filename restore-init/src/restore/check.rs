//! Whether the downloaded snapshot is the one that the manifest means, and whole.
//!
//! etcdutl works on one processor and on the disk, so this goes on beside it: nothing that etcdutl makes
//! gets its name before this has come to its end as well. What is wrong with the snapshot is told
//! rather than what etcdutl says of it.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    pin::pin,
};

use archive::{download, manifest::Manifest};
use snapshot::{Checked, Checker};
use tokio::task::spawn_blocking;

use super::problem::Problem;

const PIECE: usize = 256 << 10;

/// Does both at once. The other is ended when the snapshot is bad, and waited for when it is good.
/// `written` is the CRC-32 of what was written there.
pub(crate) async fn beside(
    other: impl Future<Output = Result<(), Problem>>,
    manifest: &Manifest,
    snapshot: PathBuf,
    written: u32,
) -> Result<(), Problem> {
    let backup = manifest.id.to_string();
    let checking = async {
        let checked = spawn_blocking(move || check(&backup, &snapshot, written)).await;
        compare(manifest, &checked.map_err(|error| Problem::Other(error.into()))??)
    };
    both(checking, other).await
}

/// Whichever ends first, what is wrong with the snapshot is told rather than what the other says of it.
async fn both(
    checking: impl Future<Output = Result<(), Problem>>,
    other: impl Future<Output = Result<(), Problem>>,
) -> Result<(), Problem> {
    let (mut checking, mut other) = (pin!(checking), pin!(other));
    let ended = tokio::select! {
        checked = &mut checking => {
            checked?;
            return other.await;
        }
        ended = &mut other => ended,
    };
    // A disk that does not answer etcdutl does not answer us.
    if !matches!(ended, Err(Problem::Stalled(_))) {
        checking.await?;
    }
    ended
}

/// The bytes that came were the stored ones. If what the disk gives back has another sum, that says
/// nothing about the backup.
fn check(backup: &str, snapshot: &Path, written: u32) -> Result<Checked, Problem> {
    let reading = format!("reading {} back", snapshot.display());
    let mut file = File::open(snapshot).map_err(Problem::disk(&reading))?;
    let (mut checker, mut piece) = (Checker::new(), vec![0; PIECE]);
    let (mut sum, mut problem) = (crc32fast::Hasher::new(), None);
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Problem::disk(reading)(error)),
        };
        let bytes = piece.get(..length).unwrap_or_default();
        sum.update(bytes);
        if problem.is_none() {
            problem = checker.push(bytes).err();
        }
    }
    if sum.finalize() != written {
        let other = "it gives other bytes than were written; look at the disk of this node";
        return Err(Problem::disk(reading)(io::Error::new(ErrorKind::InvalidData, other)));
    }
    let verdict = problem.map_or_else(|| checker.finish(), Err);
    verdict.map_err(|source| Problem::Snapshot { backup: backup.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use std::future::ready;

    use api::restore::Fault;
    use tokio::task::yield_now;

    use super::*;

    async fn later<T>(value: T) -> T {
        for _ in 0..3 {
            yield_now().await;
        }
        value
    }

    fn damaged() -> Problem {
        Problem::Snapshot { backup: "b".to_owned(), source: snapshot::Error::Digest }
    }

    #[tokio::test]
    async fn whichever_ends_first_both_are_waited_for() {
        both(later(Ok(())), ready(Ok(()))).await.unwrap();
        both(ready(Ok(())), later(Ok(()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_bad_snapshot_is_told_rather_than_what_the_other_says_of_it() {
        let failed = || Err(Problem::NoEtcdutl("worms".to_owned()));
        for problem in [
            both(later(Err(damaged())), ready(failed())).await,
            both(later(Err(damaged())), ready(Ok(()))).await,
            both(ready(Err(damaged())), later(failed())).await,
        ] {
            assert_eq!(problem.unwrap_err().reason(), "Damaged");
        }
        let other = both(later(Ok(())), ready(failed())).await;
        assert_eq!(other.unwrap_err().reason(), "NoEtcdutl");
    }

    #[tokio::test]
    async fn a_disk_that_stands_still_is_not_waited_for() {
        let stalled = both(std::future::pending(), later(Err(Problem::Stalled(1)))).await;
        assert_eq!(stalled.unwrap_err().reason(), "EtcdutlStalled");
    }

    #[test]
    fn bytes_that_a_disk_changed_say_nothing_about_the_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (file, bytes) = (folder.path().join("snapshot.db"), vec![7; 100_000]);
        std::fs::write(&file, &bytes).unwrap();
        let written = crc32fast::hash(&bytes);
        let same = check("b", &file, written).unwrap_err();
        assert_eq!((same.fault(), same.is_retryable()), (Fault::Backup, false), "{same}");
        let changed = check("b", &file, written ^ 1).unwrap_err();
        assert_eq!((changed.fault(), changed.is_retryable()), (Fault::Disk, true), "{changed}");
    }
}
