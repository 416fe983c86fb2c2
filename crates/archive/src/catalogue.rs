//! Which backups there are.
//!
//! One list of a folder answers that: a backup is there when its manifest is, and the names tell
//! revision, start and findings. Manifests are read on demand, so that thousands of backups are listed
//! in the time of a few calls, and one that is damaged is shown as damaged and hides no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::{
    digest::Digest,
    error::{Error, Result},
    key::Key,
    layout::{ArchivePath, BackupId, Kind, Place, VERSION},
    manifest::Manifest,
    store::{Entry, Span, Store},
};

mod choice;

pub use choice::{Newest, at_revision, at_time, by_id, newest, newest_whole};

/// Manifests that are read at the same time.
const READ_AT_ONCE: usize = 32;
/// What a note says beside its name.
const NOTED: &[u8] = b"{}\n";
/// A manifest has some kilobytes; a spec is a part of it, which Kubernetes limits to 1.5 MB.
const LARGEST_MANIFEST: u64 = 8 << 20;

/// A backup whose manifest is in the store, as the list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The archive that it lies in.
    pub archive: ArchivePath,
    /// Its name there.
    pub id: BackupId,
    /// When the store says that the manifest was written.
    pub committed: Timestamp,
    /// Bytes of the data; nothing when the list shows no data.
    pub stored_size: Option<u64>,
    /// When it was last read back and found good.
    pub verified: Option<Timestamp>,
    /// When it was last read back and found damaged, if that was the last finding.
    pub damaged: Option<Timestamp>,
    /// When somebody last asked for it, as a restore does.
    pub wanted: Option<Timestamp>,
    /// Everything in its folder but manifests.
    pub(crate) others: Vec<Key>,
    /// Whether another manifest lies beside its own, which only a person's copy does.
    pub(crate) shares_its_folder: bool,
}

impl Listed {
    /// What the list shows to be wrong with it, without a look at its bytes: no restore takes it then
    /// unless by name, and it stands for no good one. `said` is the size that its manifest gives.
    pub fn flaw(&self, said: Option<u64>) -> Option<String> {
        match (self.stored_size, said, self.damaged) {
            (None, ..) => Some("its data is not in the store; delete it".to_owned()),
            (Some(there), Some(said), _) if there != said => Some(format!(
                "its data has {there} bytes where its manifest says {said}; delete it"
            )),
            (.., Some(time)) => Some(format!(
                "at {time} it was read back and found damaged; verify it again, or delete it"
            )),
            _ => None,
        }
    }
}

/// A manifest and the digest of its bytes, by which a restore pins the backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// The SHA-256 of the manifest's bytes.
    pub digest: Digest,
}

/// The backups of one archive, newest first.
pub async fn list(store: &dyn Store, archive: &ArchivePath) -> Result<Vec<Listed>> {
    list_below(store, &archive.folder()?).await
}

/// The backups of all clusters that bear or bore this name, newest first.
pub async fn list_of_name(
    store: &dyn Store,
    namespace: &str,
    cluster: &str,
) -> Result<Vec<Listed>> {
    list_below(store, &ArchivePath::folder_of_name(namespace, cluster)?).await
}

/// The backups of all clusters in the store, newest first within each archive.
pub async fn list_of_all(store: &dyn Store) -> Result<Vec<Listed>> {
    list_below(store, &VERSION.parse()?).await
}

/// The backups that were begun in this second; there is one at most unless somebody copied another.
pub(crate) async fn list_in(
    store: &dyn Store,
    archive: &ArchivePath,
    start: Timestamp,
) -> Result<Vec<Listed>> {
    list_below(store, &archive.backup(start)?).await
}

async fn list_below(store: &dyn Store, folder: &Key) -> Result<Vec<Listed>> {
    let folders = folders_below(store, folder).await?;
    let mut found: Vec<_> = folders
        .into_iter()
        .flat_map(|((archive, start), folder)| folder.list(&archive, start))
        .collect();
    found.sort_by(choice::newest_first);
    Ok(found)
}

/// The archives below a folder in which anything lies, backups or what is left of them.
pub async fn archives(store: &dyn Store, folder: Option<&Key>) -> Result<BTreeSet<ArchivePath>> {
    let all = VERSION.parse()?;
    let folder = folder.unwrap_or(&all);
    let folders = folders_below(store, folder).await?.into_keys().map(|(archive, _)| archive);
    let unfinished = store.unfinished(folder).await?;
    let unfinished = unfinished.iter().filter_map(|upload| Place::of(&upload.key));
    Ok(folders.chain(unfinished.map(|place| place.archive)).collect())
}

/// Everything in the folders of backups, committed or not.
pub(crate) async fn folders_below(
    store: &dyn Store,
    folder: &Key,
) -> Result<BTreeMap<(ArchivePath, Timestamp), Folder>> {
    let mut folders: BTreeMap<_, Folder> = BTreeMap::new();
    let mut entries = store.list(folder);
    while let Some(entry) = entries.try_next().await? {
        if let Some(place) = Place::of(&entry.key) {
            folders
                .entry((place.archive, place.start))
                .or_default()
                .entries
                .push((place.kind, entry));
        }
    }
    Ok(folders)
}

/// What lies in a backup's folder.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) entries: Vec<(Kind, Entry)>,
}

impl Folder {
    pub(crate) fn is_committed(&self) -> bool {
        self.entries.iter().any(|(kind, _)| matches!(kind, Kind::Manifest(_)))
    }

    /// One backup, if it is committed. (Each attempt has a folder of its own, so there are two only
    /// when somebody has copied one; both are shown then.)
    fn list(&self, archive: &ArchivePath, start: Timestamp) -> Vec<Listed> {
        let others = || self.entries.iter().filter(|(kind, _)| !matches!(kind, Kind::Manifest(_)));
        // By the store's clock first: that of one who looked may have been ahead.
        let last = |time: fn(Kind) -> Option<Timestamp>| {
            others()
                .filter_map(|(kind, entry)| Some((entry.modified.as_second(), time(*kind)?)))
                .max()
        };
        let verified = last(|kind| if let Kind::Verified(time) = kind { Some(time) } else { None });
        let damaged = last(|kind| if let Kind::Damaged(time) = kind { Some(time) } else { None });
        let wanted = last(|kind| if let Kind::Wanted(time) = kind { Some(time) } else { None });
        let manifests = self.entries.len().saturating_sub(others().count());
        let data = others().find(|(kind, _)| *kind == Kind::Data);
        let listed = |(kind, entry): &(Kind, Entry)| {
            let Kind::Manifest(revision) = *kind else { return None };
            Some(Listed {
                archive: archive.clone(),
                id: BackupId::new(revision, start),
                committed: entry.modified,
                stored_size: data.map(|(_, entry)| entry.size),
                verified: verified.map(|(_, time)| time),
                // Both tell whole seconds: of two findings in one, the bad one counts.
                damaged: damaged
                    .filter(|bad| verified.is_none_or(|good| good <= *bad))
                    .map(|(_, time)| time),
                wanted: wanted.map(|(_, time)| time),
                others: others().map(|(_, entry)| entry.key.clone()).collect(),
                shares_its_folder: manifests > 1,
            })
        };
        self.entries.iter().filter_map(listed).collect()
    }
}

/// Reads a backup's manifest. It must say what its path says.
pub async fn read(store: &dyn Store, archive: &ArchivePath, id: BackupId) -> Result<Committed> {
    let key = archive.manifest(id)?;
    let bytes = store.get(&key, Span::ALL).await?.bytes(LARGEST_MANIFEST).await?;
    let what = format!("backup {id} of {archive}");
    let manifest = Manifest::from_bytes(&what, &bytes)?;
    if manifest.id != id || manifest.archive().ok().as_ref() != Some(archive) {
        let claimed = &manifest.cluster;
        return Err(Error::damaged(
            what,
            format!(
                "its manifest is of backup {} of {}/{}/{}; was it copied here by hand?",
                manifest.id, claimed.namespace, claimed.name, claimed.uid
            ),
        ));
    }
    Ok(Committed { manifest, digest: Digest::of(&bytes) })
}

/// Notes in the backup's folder that somebody reads it: for a day retention leaves it alone, whoever
/// prunes. Readers call it before they begin, and again when they come back for more.
pub async fn want(
    store: &dyn Store,
    archive: &ArchivePath,
    id: BackupId,
    now: Timestamp,
) -> Result<()> {
    let key = archive.wanted(id, now)?;
    store.put_if_absent(&key, Bytes::from_static(NOTED), None).await.map(drop)
}

/// Reads many manifests, up to 32 at a time, in the order of `backups`. Each has its own error; one
/// that was deleted since the list is [`Error::NotFound`].
pub fn read_all(
    store: &Arc<dyn Store>,
    backups: Vec<Listed>,
) -> impl Stream<Item = (Listed, Result<Committed>)> + Send + 'static {
    let store = store.clone();
    let one = move |listed: Listed| {
        let store = store.clone();
        async move {
            let committed = read(&*store, &listed.archive, listed.id).await;
            (listed, committed)
        }
    };
    stream::iter(backups).map(one).buffered(READ_AT_ONCE)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
