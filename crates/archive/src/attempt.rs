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
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::{
    digest::Digest,
    error::{Error, Result},
    key::Key,
    layout::{ATTEMPT, ArchivePath, BackupId},
    manifest::Manifest,
    store::{Put, Store, Upload},
    time,
};

/// Seconds that are tried for a free folder.
const TRIES: i64 = 60;
/// Waits between the tries to put the manifest.
const COMMIT_PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

/// A folder that one writer has to itself.
#[derive(Debug)]
pub struct Attempt {
    store: Arc<dyn Store>,
    archive: ArchivePath,
    start: Timestamp,
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
            if store.put_if_absent(&key, own.clone(), None).await? == Put::Created {
                return Ok(Self { store, archive, start });
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

    /// Makes the backup one: it is durable and listed when this returns. Refuses when the store does
    /// not show the data in the size that the manifest says. After an error it may be listed all the
    /// same, so nothing is removed then.
    pub async fn commit(self, manifest: &Manifest) -> Result<Digest> {
        let data = self.archive.data(manifest.id)?;
        let there = self.store.head(&data).await?.size;
        if there != manifest.stored.size {
            let problem =
                format!("it has {there} bytes where {} were stored", manifest.stored.size);
            return Err(Error::damaged(data, problem));
        }
        let bytes = manifest.to_bytes()?;
        let key = self.archive.manifest(manifest.id)?;
        match self.put(&key, &bytes, manifest.locked_until).await? {
            Put::Created => Ok(Digest::of(&bytes)),
            Put::AlreadyThere => Err(Error::AlreadyExists(key.to_string())),
        }
    }

    /// Tries again after a failure that may pass: the work of a whole backup hangs on this small call,
    /// and to put the same bytes a second time does no harm.
    async fn put(&self, key: &Key, bytes: &Bytes, lock_until: Option<Timestamp>) -> Result<Put> {
        for pause in COMMIT_PAUSES {
            match self.store.put_if_absent(key, bytes.clone(), lock_until).await {
                Err(error) if error.is_retryable() => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.store.put_if_absent(key, bytes.clone(), lock_until).await
    }

    /// Removes what was stored so far, as well as that is possible; the rest is removed after a day.
    pub async fn give_up(self) {
        let keys = [self.archive.data(self.id(0)), self.archive.object(self.id(0), ATTEMPT)];
        for key in keys.into_iter().flatten() {
            let _left_for_later = self.store.delete(&key).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{self, fixture},
        store::objects::Objects,
    };

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
        attempt.give_up().await;
        let folder = fixture::archive().folder().unwrap();
        assert_eq!(futures::StreamExt::count(store.list(&folder)).await, 0);
    }
}
