//! What died on its way: uploads without an end, and folders without a manifest.
//!
//! Both look like a backup that is being written just now, perhaps by another sidecar, so they are
//! touched only when they are older than [`AGE`] by two clocks: the store's, which says when each
//! object was written, and the writer's, which gave the folder its name.
//!
//! Both are compared with the clock of whoever cleans up, which may be a day ahead. So of a folder the
//! note of its writer goes first, without which he commits nothing any more, and the data last, after
//! another look for a manifest.

use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::{
    catalogue::folders_below,
    error::{Error, Result},
    key::Key,
    layout::{Kind, Place},
    store::{Entry, Store, Unfinished},
};

/// No backup takes this long.
pub const AGE: SignedDuration = SignedDuration::from_hours(24);

/// What nobody will finish.
#[derive(Debug, Default)]
pub struct Abandoned {
    /// Uploads that came to no end.
    pub uploads: Vec<Unfinished>,
    /// Objects of backups without a manifest, with their folders.
    folders: Vec<(Key, Vec<Key>)>,
}

impl Abandoned {
    /// How many uploads and objects there are.
    pub fn len(&self) -> usize {
        self.uploads.len().saturating_add(self.folders.iter().map(|(_, keys)| keys.len()).sum())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects.
    pub fn objects(&self) -> impl Iterator<Item = &Key> {
        self.folders.iter().flat_map(|(_, keys)| keys)
    }
}

/// Finds what is abandoned below a folder, of one archive or of several. Only looks.
pub async fn find(store: &dyn Store, folder: &Key, now: Timestamp) -> Result<Abandoned> {
    let mut found = Abandoned::default();
    for ((archive, start), folder) in folders_below(store, folder).await? {
        let is_old = is_old(start, now)
            && folder.entries.iter().all(|(_, entry)| is_old(entry.modified, now));
        if is_old && !folder.is_committed() {
            let mut entries = folder.entries;
            entries.sort_by_key(|(kind, _)| (*kind == Kind::Data, *kind != Kind::Attempt));
            let keys: Vec<_> = entries.into_iter().filter_map(ours).collect();
            if !keys.is_empty() {
                found.folders.push((archive.backup(start)?, keys));
            }
        }
    }
    let uploads = store.unfinished(folder).await?.into_iter();
    found.uploads = uploads.filter(|upload| is_dead(upload, now)).collect();
    Ok(found)
}

/// Removes what was found and gives the number of uploads and objects that are gone. Goes on after an
/// error and returns the first; what the store locks is left for later.
pub async fn remove(store: &dyn Store, found: &Abandoned) -> Result<usize> {
    let mut removal = Removal::default();
    for upload in &found.uploads {
        removal.count(store.remove_unfinished(upload).await);
    }
    for (folder, keys) in &found.folders {
        // Before each object, as it may take a while.
        for key in keys {
            match has_manifest(store, folder).await {
                Ok(true) => break,
                Ok(false) => removal.count(store.delete(key).await),
                Err(error) => removal.count(Err(error)),
            }
        }
    }
    removal.first_error.map_or(Ok(removal.removed), Err)
}

#[derive(Default)]
struct Removal {
    removed: usize,
    first_error: Option<Error>,
}

impl Removal {
    fn count(&mut self, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.removed = self.removed.saturating_add(1),
            Err(Error::Locked(_)) => {}
            Err(error) => self.first_error = self.first_error.take().or(Some(error)),
        }
    }
}

/// A writer that stood still for a day may have gone on since the look.
async fn has_manifest(store: &dyn Store, folder: &Key) -> Result<bool> {
    let entries: Vec<Entry> = store.list(folder).try_collect().await?;
    let is_manifest = |entry: &Entry| {
        Place::of(&entry.key).is_some_and(|place| matches!(place.kind, Kind::Manifest(_)))
    };
    Ok(entries.iter().any(is_manifest))
}

fn is_old(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time) > AGE
}

fn is_dead(upload: &Unfinished, now: Timestamp) -> bool {
    let begun = Place::of(&upload.key).is_none_or(|place| is_old(place.start, now));
    begun && is_old(upload.modified, now)
}

/// What a person or a later version put there stays.
fn ours((kind, entry): (Kind, Entry)) -> Option<Key> {
    (kind != Kind::Unknown).then_some(entry.key)
}

#[cfg(test)]
mod tests;
