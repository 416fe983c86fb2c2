//! Choosing one of the listed backups.
//!
//! Within an archive revisions decide which is newer: they only grow, and clocks may go back. Between
//! archives they mean nothing, so there the time decides at which the store took the manifest.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Committed, Listed};
use crate::{
    error::{Error, Result},
    layout::{ArchivePath, BackupId},
    store::Store,
};

/// Newest first within an archive; the archive with the lesser path first.
pub(super) fn newest_first(one: &Listed, other: &Listed) -> Ordering {
    one.archive.cmp(&other.archive).then_with(|| other.id.cmp(&one.id))
}

/// The newest backup with which nothing is known to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Newest {
    /// The backup.
    pub listed: Listed,
    /// Its manifest.
    pub committed: Committed,
    /// The newer ones, and what is wrong with each.
    pub passed_over: Vec<(BackupId, String)>,
}

/// The newest of which neither list nor manifest shows a flaw. Nothing when there is none. A manifest of
/// a later version ends the search: what is newest cannot be told then.
pub async fn newest_whole(store: &dyn Store, backups: &[Listed]) -> Result<Option<Newest>> {
    let mut left: Vec<&Listed> = backups.iter().collect();
    let mut passed_over = Vec::new();
    while let Some(listed) = newest_of(left.iter().copied()) {
        left.retain(|one| *one != listed);
        let flaw = match super::read(store, &listed.archive, listed.id).await {
            Ok(committed) => match listed.flaw(Some(committed.manifest.stored.size)) {
                None => {
                    let listed = listed.clone();
                    return Ok(Some(Newest { listed, committed, passed_over }));
                }
                Some(flaw) => flaw,
            },
            Err(error @ (Error::Damaged { .. } | Error::NotFound(_))) => error.to_string(),
            Err(error) => return Err(error),
        };
        passed_over.push((listed.id, flaw));
    }
    Ok(None)
}

/// The newest of each archive, and of those the one committed last.
pub fn newest(backups: &[Listed]) -> Option<&Listed> {
    newest_of(backups.iter())
}

/// The newest whose snapshot was begun at this time or before.
pub fn at_time(backups: &[Listed], time: Timestamp) -> Option<&Listed> {
    newest_of(backups.iter().filter(|listed| listed.id.start() <= time))
}

/// The one with the highest revision up to this one. Only backups of one archive can be compared so.
pub fn at_revision(backups: &[Listed], revision: u64) -> Option<&Listed> {
    newest_of(backups.iter().filter(|listed| listed.id.revision() <= revision))
}

/// The one of this name. `uid` chooses when several archives have one.
pub fn by_id<'a>(backups: &'a [Listed], id: BackupId, uid: Option<&str>) -> Result<&'a Listed> {
    let is_meant =
        |listed: &&Listed| listed.id == id && uid.is_none_or(|uid| listed.archive.uid() == uid);
    let mut found = backups.iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::NotFound(format!("the backup {id}"))),
        (Some(one), Some(other)) => Err(Error::BadInput(format!(
            "{id} is in the archives of the UIDs {} and {}; say which UID is meant",
            one.archive.uid(),
            other.archive.uid()
        ))),
    }
}

fn newest_of<'a>(backups: impl Iterator<Item = &'a Listed>) -> Option<&'a Listed> {
    let mut of_each: BTreeMap<&ArchivePath, &Listed> = BTreeMap::new();
    for listed in backups {
        let newest = of_each.entry(&listed.archive).or_insert(listed);
        if newest.id < listed.id {
            *newest = listed;
        }
    }
    of_each.into_values().max_by_key(|listed| listed.committed)
}
