//! Reading a backup back: every stored byte, decoded, its digests and its structure compared with the
//! manifest. What was found becomes an object beside the manifest; the backup itself is never touched.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archive::{
    catalogue::{self, Committed, Listed},
    digest::Digest,
    download::{self, Download},
    manifest::Manifest,
    store::{Put, Store},
    verification::{Depth, Verification},
};
use bytes::Bytes;
use jiff::Timestamp;
use snapshot::{Checked, Checker, Database};
use tokio::{sync::mpsc, task::spawn_blocking};

/// Chunks that wait for the check; each has a quarter of a MiB.
const WAITING: usize = 4;

/// What one look at a backup found.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Everything agrees.
    Good {
        /// The hash that `etcdutl snapshot status` prints, if it was wanted.
        hash: Option<u32>,
    },
    /// It must not be restored; why.
    Damaged(String),
    /// It was deleted since it was listed, as retention does.
    Removed,
    /// It could not be read to its end, or the finding not be stored. Nothing is known of it.
    Unknown(archive::Error),
}

impl Finding {
    /// Whether everything agrees.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }

    /// Whether nothing is wrong.
    pub fn is_no_reason_to_fail(&self) -> bool {
        matches!(self, Self::Good { .. } | Self::Removed)
    }
}

/// How far a look is: stored bytes that came, and all.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    received: AtomicU64,
    all: AtomicU64,
}

impl Counts {
    /// Sets both numbers.
    pub fn set(&self, received: u64, all: u64) {
        self.received.store(received, Ordering::Relaxed);
        self.all.store(all, Ordering::Relaxed);
    }

    /// Both numbers.
    pub fn get(&self) -> (u64, u64) {
        (self.received.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }
}

/// Looks at one backup and records the finding. etcdutl's hash needs the whole database by random access,
/// so for that it is written into `spool`.
pub(crate) async fn verify(
    store: &Arc<dyn Store>,
    listed: &Listed,
    counts: &Counts,
    spool: Option<File>,
    now: impl Fn() -> Timestamp,
) -> Finding {
    let started = now();
    let committed = match catalogue::read(&**store, &listed.archive, listed.id).await {
        Ok(committed) => committed,
        Err(archive::Error::NotFound(_)) => return Finding::Removed,
        // There is nothing to record it beside: the list itself shows a damaged manifest.
        Err(error) => return Finding::from(error),
    };
    let finding = match read_back(store, listed, &committed.manifest, counts, spool).await {
        Ok(hash) => Finding::Good { hash },
        Err(archive::Error::NotFound(_)) if is_gone(&**store, listed).await => Finding::Removed,
        Err(error) => Finding::from(error),
    };
    if matches!(finding, Finding::Unknown(_) | Finding::Removed) {
        return finding;
    }
    match record(&**store, listed, &committed, [started, now()], &finding).await {
        Ok(()) => finding,
        Err(error) if finding.is_good() => Finding::Unknown(error),
        // What was found bad is told, whether or not it could be recorded.
        Err(error) => {
            tracing::warn!(%error, "the finding could not be stored");
            finding
        }
    }
}

/// Whether the whole backup is, and not only its data.
async fn is_gone(store: &dyn Store, listed: &Listed) -> bool {
    let manifest = catalogue::read(store, &listed.archive, listed.id).await;
    matches!(manifest, Err(archive::Error::NotFound(_)))
}

async fn read_back(
    store: &Arc<dyn Store>,
    listed: &Listed,
    manifest: &Manifest,
    counts: &Counts,
    spool: Option<File>,
) -> archive::Result<Option<u32>> {
    // The check computes the raw digest anyway.
    let data = download::object(store.clone(), &listed.archive, manifest)?;
    let mut download = Download::unproven(data, manifest)?;
    let (pass, passing) = mpsc::channel(WAITING);
    let checking = spawn_blocking(move || check(passing, spool));
    while let Some(bytes) = download.next().await? {
        counts.set(download.received(), download.stored_size());
        if pass.send(bytes).await.is_err() {
            break;
        }
    }
    drop(pass);
    let what = format!("backup {}", listed.id);
    let internal = |error: &dyn ToString| archive::Error::Other {
        what: what.clone(),
        detail: error.to_string(),
    };
    let checked = checking.await.map_err(|error| internal(&error))?;
    let (checked, hash) = checked.map_err(|error| match error {
        CheckError::Damaged(error) => archive::Error::damaged(&what, error),
        CheckError::Spool(error) => internal(&format!(
            "it cannot be written into a temporary file ({error}); set TMPDIR to a folder with room \
             for it, or leave out --hash"
        )),
    })?;
    compare(&what, manifest, &checked)?;
    Ok(hash)
}

enum CheckError {
    Damaged(snapshot::Error),
    Spool(io::Error),
}

impl From<snapshot::Error> for CheckError {
    fn from(error: snapshot::Error) -> Self {
        Self::Damaged(error)
    }
}

fn check(
    mut passing: mpsc::Receiver<Bytes>,
    mut spool: Option<File>,
) -> Result<(Checked, Option<u32>), CheckError> {
    let mut checker = Checker::new();
    while let Some(bytes) = passing.blocking_recv() {
        checker.push(&bytes)?;
        if let Some(file) = &mut spool {
            file.write_all(&bytes).map_err(CheckError::Spool)?;
        }
    }
    let found = checker.finish()?;
    let hash = spool.map(|file| hash(file, found.size)).transpose()?;
    Ok((found, hash))
}

/// The hash that `etcdutl snapshot status` prints of a database.
pub(crate) fn hash(file: File, size: u64) -> Result<u32, snapshot::Error> {
    Ok(Database::open(file, size)?.status()?.hash)
}

/// Whether the snapshot is what the manifest says of it.
fn compare(what: &str, manifest: &Manifest, checked: &Checked) -> archive::Result<()> {
    let contents = &checked.contents;
    let is_same = |name: &str, found: u64, said: u64| {
        if found == said {
            return Ok(());
        }
        Err(archive::Error::damaged(
            what,
            format!("its {name} is {found} where its manifest says {said}"),
        ))
    };
    is_same("size", checked.size, manifest.raw.size)?;
    is_same("revision", contents.revision, manifest.revision)?;
    is_same("compact revision", contents.compact_revision, manifest.compact_revision)?;
    is_same("raft index", contents.raft_applied_index, manifest.raft_applied_index)?;
    download::prove(manifest, Digest::from(checked.sha256))?;
    if contents.buckets != manifest.counts.buckets {
        return Err(archive::Error::damaged(what, "its content is not what its manifest says"));
    }
    Ok(())
}

async fn record(
    store: &dyn Store,
    listed: &Listed,
    committed: &Committed,
    times: [Timestamp; 2],
    finding: &Finding,
) -> archive::Result<()> {
    let problem = match finding {
        Finding::Damaged(problem) => Some(problem.clone()),
        _ => None,
    };
    let [_, finished] = times;
    let key = listed.archive.verification(listed.id, finished, problem.is_none())?;
    let hash = match finding {
        Finding::Good { hash } => *hash,
        _ => None,
    };
    let found = Verification::new(listed.id, committed.digest, Depth::Structure, times, problem);
    let found = Verification { hash, ..found };
    match store.put_if_absent(&key, found.to_bytes()?, None).await? {
        // Somebody else has looked in the same second.
        Put::Created | Put::AlreadyThere => Ok(()),
    }
}

impl From<archive::Error> for Finding {
    /// Data that is not there, or is not what it should be, is a finding; a store that does not answer
    /// is none.
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::Damaged { .. } | archive::Error::NotFound(_) => {
                Self::Damaged(error.to_string())
            }
            other => Self::Unknown(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use archive::layout::ArchivePath;
    use archive::store::objects::Objects;

    use super::*;
    use crate::serve::world::{manifest, put};

    /// As retention does while `verify --all` reads for hours.
    #[tokio::test]
    async fn one_that_was_deleted_since_it_was_listed_is_not_called_damaged() {
        let store: Arc<dyn Store> = Arc::new(Objects::memory());
        let archive = ArchivePath::new("shop", "kv", "u-1").unwrap();
        let time = "2026-11-24T03:00:00Z".parse().unwrap();
        let one = manifest(&archive, 7, time, time);
        put(&*store, &archive, &one, "plums".into()).await;
        let listed = catalogue::list(&*store, &archive).await.unwrap().remove(0);
        store.delete(&archive.manifest(one.id).unwrap()).await.unwrap();
        store.delete(&archive.data(one.id).unwrap()).await.unwrap();

        let found = verify(&store, &listed, &Counts::default(), None, || time).await;
        assert!(matches!(found, Finding::Removed), "{found:?}");
        assert!(found.is_no_reason_to_fail());
        // Its data went between two of our calls.
        assert!(is_gone(&*store, &listed).await);
        let left = catalogue::archives(&*store, None).await.unwrap();
        assert!(left.is_empty(), "nothing is recorded of it: {left:?}");
    }
}
