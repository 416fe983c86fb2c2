//! Writing one backup: reserve a folder, upload the data, commit.
//!
//! ```text
//! begin: attempt.json ──> upload: data.db.gz ──> commit: manifest-<revision>.json
//! ```
//!
//! Each folder has one writer, whoever else is at work and whatever the clock does: the second of two
//! that begin in the same second takes the next one. Killed anywhere before the commit, an attempt is
//! in no list, and [`crate::abandoned`] removes it after a day.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::{
    catalogue,
    digest::Digest,
    error::{Error, Result},
    key::Key,
    layout::{ATTEMPT, ArchivePath, BackupId},
    manifest::Manifest,
    store::{Put, Span, Store, Upload, patiently},
    time,
};

/// Seconds that are tried for a free folder.
const TRIES: i64 = 60;
/// The object that reserves a folder has some bytes.
const LARGEST_NOTE: u64 = 1 << 10;

/// A folder that one writer has to itself.
#[derive(Debug)]
pub struct Attempt {
    store: Arc<dyn Store>,
    archive: ArchivePath,
    start: Timestamp,
    /// The bytes that say whose the folder is.
    own: Bytes,
}

impl Attempt {
    /// Reserves the folder of this second, or of the next one that is free.
    pub async fn begin(
        store: Arc<dyn Store>,
        archive: ArchivePath,
        now: Timestamp,
    ) -> Result<Self> {
        // Bytes of its own: to put the very same ones again would count as having put them.
        let own =
            Bytes::from(format!("{{\"format\":1,\"attempt\":\"{:016x}\"}}\n", fastrand::u64(..)));
        for later in 0..TRIES {
            let start = time::whole_second(now).checked_add(SignedDuration::from_secs(later));
            let start = start.map_err(|error| Error::BadInput(format!("the clock: {error}")))?;
            let key = archive.backup(start)?.join(ATTEMPT)?;
            let put = || store.put_if_absent(&key, own.clone(), None);
            if patiently(put).await? == Put::Created {
                return Ok(Self { store, archive, start, own });
            }
        }
        Err(Error::AlreadyExists(format!("a backup for each of the {TRIES} s from {now} on")))
    }

    /// When the backup was begun, in the whole second that names it.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The name that the backup has once its last revision is known.
    pub fn id(&self, revision: u64) -> BackupId {
        BackupId::new(revision, self.start)
    }

    /// Begins the upload of the data.
    pub async fn upload(&self, lock_until: Option<Timestamp>) -> Result<Box<dyn Upload>> {
        self.store.begin_upload(&self.archive.data(self.id(0))?, lock_until).await
    }

    /// Whether the folder is still this writer's. It is not when another has reserved it on a store
    /// that does not know conditions, or when somebody whose clock is a day ahead has cleaned it up.
    pub async fn is_ours(&self) -> Result<bool> {
        let key = self.archive.object(self.id(0), ATTEMPT)?;
        let read = || async { self.store.get(&key, Span::ALL).await?.bytes(LARGEST_NOTE).await };
        match patiently(read).await {
            Ok(there) => Ok(there == self.own),
            Err(Error::NotFound(_) | Error::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the backup one: it is durable and listed when this returns. Refuses when the folder is not
    /// this writer's any more, and when the store does not show the data in the size that the manifest
    /// says. After an error it may be listed all the same, so nothing is removed then.
    pub async fn commit(self, manifest: &Manifest) -> Result<Digest> {
        if !self.is_ours().await? {
            return Err(self.taken());
        }
        let data = self.archive.data(manifest.id)?;
        self.check_data(&data, manifest).await?;
        let bytes = manifest.to_bytes()?;
        let key = self.archive.manifest(manifest.id)?;
        // The work of a whole backup hangs on this small call, and to put the same bytes a second time
        // does no harm.
        let put = || self.store.put_if_absent(&key, bytes.clone(), manifest.locked_until);
        if patiently(put).await? == Put::AlreadyThere {
            return Err(Error::AlreadyExists(key.to_string()));
        }
        // Whoever took the folder for abandoned removes the data last, and looks for a manifest before.
        self.check_data(&data, manifest).await?;
        Ok(Digest::of(&bytes))
    }

    async fn check_data(&self, data: &Key, manifest: &Manifest) -> Result<()> {
        let there = patiently(|| self.store.head(data)).await?.size;
        if there == manifest.stored.size {
            return Ok(());
        }
        let problem = format!("it has {there} bytes where {} were stored", manifest.stored.size);
        Err(Error::damaged(data, problem))
    }

    /// The folder is another writer's.
    pub fn taken(&self) -> Error {
        Error::AlreadyExists(format!("another attempt at {}", time::print(self.start)))
    }

    /// Removes what was stored so far, as well as that is possible; the rest is removed after a day.
    /// Removes nothing that may be another writer's: not when the store's error says that another's object
    /// is there, nor from a folder that is not this writer's or has a manifest.
    pub async fn give_up(self, cause: Option<&Error>) {
        let is_foreign = matches!(cause, Some(Error::AlreadyExists(_)));
        if is_foreign || !self.is_ours().await.unwrap_or(false) || self.may_be_listed().await {
            return;
        }
        let keys = [self.archive.data(self.id(0)), self.archive.object(self.id(0), ATTEMPT)];
        for key in keys.into_iter().flatten() {
            let _left_for_later = self.store.delete(&key).await;
        }
    }

    async fn may_be_listed(&self) -> bool {
        let listed = catalogue::list_in(&*self.store, &self.archive, self.start).await;
        listed.map_or(true, |listed| !listed.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::fixture, store::objects::Objects};

    fn memory() -> Arc<dyn Store> {
        Arc::new(Objects::memory())
    }

    async fn begin(store: &Arc<dyn Store>) -> Attempt {
        Attempt::begin(store.clone(), fixture::archive(), fixture::at("10:00:00")).await.unwrap()
    }

    async fn upload(attempt: &Attempt) {
        let mut upload = attempt.upload(None).await.unwrap();
        upload.write(Bytes::from_static(b"plums in gzip")).await.unwrap();
        upload.finish().await.unwrap();
    }

    fn manifest(attempt: &Attempt) -> Manifest {
        let mut manifest = fixture::manifest(7, &attempt.start().to_string());
        manifest.stored.size = 13;
        manifest
    }

    #[tokio::test]
    async fn two_that_begin_in_the_same_second_get_a_folder_each() {
        let store = memory();
        let (one, other) = (begin(&store).await, begin(&store).await);
        assert_eq!(one.start(), fixture::at("10:00:00"));
        assert_eq!(other.start(), fixture::at("10:00:01"));
    }

    #[tokio::test]
    async fn a_backup_is_listed_after_its_commit_and_not_before() {
        let store = memory();
        let attempt = begin(&store).await;
        upload(&attempt).await;
        let listed = async || catalogue::list(&*store, &fixture::archive()).await.unwrap();
        assert_eq!(listed().await, []);
        let said = manifest(&attempt);
        let digest = attempt.commit(&said).await.unwrap();
        let [one] = &listed().await[..] else { panic!("one backup") };
        let committed = catalogue::read(&*store, &one.archive, one.id).await.unwrap();
        assert_eq!(committed.digest, digest);
    }

    #[tokio::test]
    async fn without_its_data_in_full_nothing_is_committed() {
        let store = memory();
        let attempt = begin(&store).await;
        let said = manifest(&attempt);
        assert_eq!(attempt.commit(&said).await.unwrap_err().reason(), "NotFound");

        let attempt = begin(&store).await;
        upload(&attempt).await;
        let mut said = manifest(&attempt);
        said.stored.size = 14;
        let error = attempt.commit(&said).await.unwrap_err();
        assert!(error.to_string().ends_with("it has 13 bytes where 14 were stored"), "{error}");
        assert_eq!(catalogue::list(&*store, &fixture::archive()).await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing() {
        let store = memory();
        let attempt = begin(&store).await;
        upload(&attempt).await;
        attempt.give_up(None).await;
        assert_eq!(objects(&store).await, 0);
    }

    async fn objects(store: &Arc<dyn Store>) -> usize {
        let folder = fixture::archive().folder().unwrap();
        futures::StreamExt::count(store.list(&folder)).await
    }

    /// As a second writer does on a store that knows no conditions.
    async fn take_over(store: &Arc<dyn Store>, attempt: &Attempt) {
        let key = fixture::archive().object(attempt.id(0), ATTEMPT).unwrap();
        store.delete(&key).await.unwrap();
        fixture::put(&**store, key, "another's").await;
    }

    #[tokio::test]
    async fn a_loser_deletes_nothing_of_the_winner() {
        let store = memory();
        let loser = begin(&store).await;
        upload(&loser).await;
        take_over(&store, &loser).await;
        loser.give_up(None).await;
        assert_eq!(objects(&store).await, 2, "the folder is another's");

        let store = memory();
        let loser = begin(&store).await;
        upload(&loser).await;
        let refused = loser.upload(None).await.unwrap().finish().await.unwrap_err();
        loser.give_up(Some(&refused)).await;
        assert_eq!(objects(&store).await, 2, "the data is another's: {refused}");

        let store = memory();
        let one = begin(&store).await;
        upload(&one).await;
        fixture::put(&*store, fixture::archive().manifest(one.id(7)).unwrap(), "{}").await;
        one.give_up(None).await;
        assert_eq!(objects(&store).await, 3, "there is a manifest");
    }

    #[tokio::test]
    async fn in_a_folder_that_another_has_taken_nothing_is_committed() {
        let store = memory();
        let attempt = begin(&store).await;
        upload(&attempt).await;
        take_over(&store, &attempt).await;
        let said = manifest(&attempt);
        assert_eq!(attempt.commit(&said).await.unwrap_err().reason(), "AlreadyExists");
        assert_eq!(catalogue::list(&*store, &fixture::archive()).await.unwrap(), []);
    }
}
