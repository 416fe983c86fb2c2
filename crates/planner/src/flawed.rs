//! Backups that are listed and cannot be restored: none is passed over without a word, and one that
//! only a later version can read is not passed over at all.

use std::collections::BTreeSet;

use crate::{Archive, BackupRef, Flawed};

/// What is newer than this backup and cannot be restored; without one all that cannot be.
pub(crate) fn newer<'a>(
    archive: &'a Archive,
    than: Option<&'a BackupRef>,
) -> impl Iterator<Item = &'a Flawed> {
    let flawed = match archive {
        Archive::Known { flawed, .. } => flawed.as_slice(),
        Archive::NoPolicy | Archive::Unknown(_) => &[],
    };
    let is_newer = move |one: &&Flawed| than.is_none_or(|than| one.age() > than.age());
    flawed.iter().filter(is_newer)
}

/// The ids of those that are passed over when this backup is taken.
pub(crate) fn ids(archive: &Archive, than: &BackupRef) -> BTreeSet<String> {
    newer(archive, Some(than)).map(|one| one.id.clone()).collect()
}

/// The words for those that are passed over; none if there are none.
pub(crate) fn told(archive: &Archive, than: Option<&BackupRef>) -> String {
    let names = newer(archive, than).map(|one| format!("{} ({})", one.id, one.why));
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; listed, but not usable: {}", names.join(", "))
}

/// What is newer and may be sound: nobody here can tell what it holds.
pub(crate) fn unread(archive: &Archive, than: Option<&BackupRef>) -> Option<String> {
    let one = newer(archive, than).find(|one| one.is_unread)?;
    Some(format!(
        "nothing older is restored in place of backup {}, which this version cannot read ({}): use \
         a version that can, or remove it",
        one.id, one.why
    ))
}
