//! Deleting backups.
//!
//! The manifest goes first: from then on the backup is in no list, whatever happens. What a crash or a
//! failing store leaves of it has no manifest, and [`crate::abandoned`] removes it. A backup that the
//! store locks stays whole and is left for later.

use futures::{StreamExt, stream};

use crate::{
    catalogue::Listed,
    error::{Error, Result},
    key::Key,
    layout::{ArchivePath, BackupId},
    store::Store,
};

/// Backups that are deleted at the same time.
const AT_ONCE: usize = 16;

/// What became of the backups that were to be deleted.
#[derive(Debug, Default)]
pub struct Pruned {
    /// They are in no list any more.
    pub deleted: Vec<BackupId>,
    /// The store locks them, or somebody reads them; they are whole.
    pub later: Vec<BackupId>,
    /// They could not be deleted, or something of them is left; the next round tries again.
    pub failed: Vec<(BackupId, Error)>,
}

/// Deletes one backup. When this returns it is durably gone; after an error it is either whole or in no
/// list. [`Error::Locked`]: it is whole. [`Error::NotFound`] when there is no such backup.
pub async fn delete(store: &dyn Store, archive: &ArchivePath, id: BackupId) -> Result<()> {
    let listed = crate::catalogue::list_in(store, archive, id.start()).await?;
    match listed.iter().find(|listed| listed.id == id) {
        Some(listed) => delete_listed(store, listed).await,
        None => Err(Error::NotFound(format!("the backup {id}"))),
    }
}

/// Deletes one that was judged some time ago, unless somebody has begun to read it since.
async fn delete_judged(store: &dyn Store, judged: &Listed) -> Result<()> {
    let there = crate::catalogue::list_in(store, &judged.archive, judged.id.start()).await?;
    match there.iter().find(|listed| listed.id == judged.id) {
        Some(now) if now.wanted > judged.wanted => {
            Err(Error::Locked(format!("the backup {}, which somebody reads,", judged.id)))
        }
        Some(now) => delete_listed(store, now).await,
        None => Ok(()),
    }
}

/// Deletes all of `backups`, several at a time; not those that somebody has begun to read since they
/// were listed.
pub async fn delete_all(store: &dyn Store, backups: &[&Listed]) -> Pruned {
    let one = |listed: &&Listed| {
        let listed = (*listed).clone();
        async move { (listed.id, delete_judged(store, &listed).await) }
    };
    let calls: Vec<_> = backups.iter().map(one).collect();
    let outcomes: Vec<_> = stream::iter(calls).buffered(AT_ONCE).collect().await;
    let mut pruned = Pruned::default();
    for (id, outcome) in outcomes {
        match outcome {
            Ok(()) => pruned.deleted.push(id),
            Err(Error::Locked(_)) => pruned.later.push(id),
            Err(error) => pruned.failed.push((id, error)),
        }
    }
    pruned
}

async fn delete_listed(store: &dyn Store, listed: &Listed) -> Result<()> {
    store.delete(&listed.archive.manifest(listed.id)?).await?;
    if listed.shares_its_folder {
        return Ok(());
    }
    delete_rest(store, &listed.others).await
}

/// Deletes what no manifest speaks of any more. What the store still locks is found again later.
async fn delete_rest(store: &dyn Store, rest: &[Key]) -> Result<()> {
    for key in rest {
        match store.delete(key).await {
            Err(Error::Locked(_)) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Deletes everything of an archive: all backups, manifests first, then whatever else lies there.
pub async fn delete_archive(store: &dyn Store, archive: &ArchivePath) -> Result<()> {
    let backups = crate::catalogue::list(store, archive).await?;
    let pruned = delete_all(store, &backups.iter().collect::<Vec<_>>()).await;
    if let Some((_, error)) = pruned.failed.into_iter().next() {
        return Err(error);
    }
    if let Some(id) = pruned.later.first() {
        return Err(Error::Locked(format!("the backup {id}")));
    }
    delete_leftovers(store, &archive.folder()?).await
}

async fn delete_leftovers(store: &dyn Store, folder: &Key) -> Result<()> {
    for upload in store.unfinished(folder).await? {
        store.remove_unfinished(&upload).await?;
    }
    let mut left = store.list(folder);
    while let Some(entry) = left.next().await {
        store.delete(&entry?.key).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
