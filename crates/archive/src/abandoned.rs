//! What died on its way: uploads without an end, and folders without a manifest.
//!
//! Both look like a backup that is being written just now, perhaps by another sidecar, so they are
//! touched only when they are older than [`AGE`] by two clocks: the store's, which says when each
//! object was written, and the writer's, which gave the folder its name.
//!
//! The clock of whoever cleans up may itself be a day ahead. So what looks old by it is compared once
//! more, before anything goes, with the time at which the store dates a note that is written just then:
//! only what is old by the store's own clock is removed. And of a folder the note of its writer goes
//! first, without which he commits nothing any more, and the data last, after another look for a
//! manifest.

use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::{
    catalogue::folders_below,
    error::{Error, Result},
    key::Key,
    layout::{Kind, Place, removing},
    store::{Entry, Store, Unfinished, patiently},
};

/// No backup takes this long.
pub const AGE: SignedDuration = SignedDuration::from_hours(24);

/// What nobody will finish.
#[derive(Debug)]
pub struct Abandoned {
    /// Uploads that came to no end.
    pub uploads: Vec<Unfinished>,
    /// Folders of backups without a manifest.
    folders: Vec<Left>,
    /// When that was looked for, by the clock of whoever did.
    looked: Timestamp,
}

/// What is left of a backup.
#[derive(Debug)]
struct Left {
    folder: Key,
    /// When it was begun, as its writer says.
    start: Timestamp,
    /// When the store says that something was last written.
    touched: Timestamp,
    /// In the order in which they go.
    keys: Vec<Key>,
}

impl Abandoned {
    /// How many uploads and objects there are.
    pub fn len(&self) -> usize {
        self.uploads.len().saturating_add(self.folders.iter().map(|left| left.keys.len()).sum())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The objects.
    pub fn objects(&self) -> impl Iterator<Item = &Key> {
        self.folders.iter().flat_map(|left| &left.keys)
    }

    /// A note that says what is about to be done, beside some of it.
    fn note(&self) -> Result<Option<Key>> {
        let of_uploads = self.uploads.iter().filter_map(|upload| upload.key.folder());
        let mut folders = self.folders.iter().map(|left| left.folder.clone()).chain(of_uploads);
        folders.next().map(|folder| removing(&folder, self.looked)).transpose()
    }
}

/// Finds what is abandoned below a folder, of one archive or of several. Only looks.
pub async fn find(store: &dyn Store, folder: &Key, now: Timestamp) -> Result<Abandoned> {
    let mut found = Abandoned { uploads: Vec::new(), folders: Vec::new(), looked: now };
    for ((archive, start), folder) in folders_below(store, folder).await? {
        let touched = folder.entries.iter().map(|(_, entry)| entry.modified).max();
        let touched = touched.unwrap_or(start);
        if is_old(start, now) && is_old(touched, now) && !folder.is_committed() {
            let mut entries = folder.entries;
            entries.sort_by_key(|(kind, _)| (*kind == Kind::Data, *kind != Kind::Attempt));
            let keys: Vec<_> = entries.into_iter().filter_map(ours).collect();
            if !keys.is_empty() {
                found.folders.push(Left { folder: archive.backup(start)?, start, touched, keys });
            }
        }
    }
    let uploads = store.unfinished(folder).await?.into_iter();
    found.uploads = uploads.filter(|upload| is_dead(upload, now)).collect();
    Ok(found)
}

/// Removes what was found, if the store's own clock calls it old too, and gives the number of uploads
/// and objects that are gone. Goes on after an error and returns the first; what the store locks is left
/// for later.
pub async fn remove(store: &dyn Store, found: &Abandoned) -> Result<usize> {
    let Some(note) = found.note()? else { return Ok(0) };
    let own = Bytes::from(format!("{{\"removal\":\"{:016x}\"}}\n", fastrand::u64(..)));
    // Another's of this very second dates from just now as well.
    patiently(|| store.put_if_absent(&note, own.clone(), None)).await?;
    let now = patiently(|| store.head(&note)).await?.modified;
    let removed = remove_as_of(store, found, now).await;
    match store.delete(&note).await {
        Ok(()) | Err(Error::Locked(_)) => removed,
        Err(error) => removed.and(Err(error)),
    }
}

/// The same at a time that the store's clock is known to show.
pub async fn remove_as_of(store: &dyn Store, found: &Abandoned, now: Timestamp) -> Result<usize> {
    let mut removal = Removal::default();
    for upload in found.uploads.iter().filter(|upload| is_dead(upload, now)) {
        removal.count(store.remove_unfinished(upload).await);
    }
    let is_old = |left: &&Left| is_old(left.start, now) && is_old(left.touched, now);
    for left in found.folders.iter().filter(is_old) {
        // Before each object, as it may take a while.
        for key in &left.keys {
            match has_manifest(store, &left.folder).await {
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
