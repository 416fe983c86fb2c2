//! What is deleted, in which order, and what a crash leaves.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use super::*;
use crate::{
    abandoned,
    catalogue::{self, fixture},
    store::{Entry, Put, Reading, Span, Unfinished, Upload, objects::Objects},
};

/// A memory whose deletions fail as told, and which notes the names of what was to be deleted.
#[derive(Debug)]
struct Stubborn {
    inner: Objects,
    refuses: Mutex<Vec<(&'static str, Error)>>,
    asked: Mutex<Vec<String>>,
}

impl Stubborn {
    fn new(refuses: Vec<(&'static str, Error)>) -> Self {
        Self { inner: Objects::memory(), refuses: Mutex::new(refuses), asked: Mutex::default() }
    }

    fn refusal(&self, name: &str) -> Option<Error> {
        let mut refuses = self.refuses.lock().unwrap();
        let at = refuses.iter().position(|(part, _)| name.contains(part))?;
        Some(refuses.remove(at).1)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Store for Stubborn {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn put_if_absent(&self, key: &Key, bytes: Bytes, lock: Option<Timestamp>) -> Result<Put> {
        self.inner.put_if_absent(key, bytes, lock).await
    }

    async fn begin_upload(&self, key: &Key, lock: Option<Timestamp>) -> Result<Box<dyn Upload>> {
        self.inner.begin_upload(key, lock).await
    }

    async fn get(&self, key: &Key, span: Span) -> Result<Reading> {
        self.inner.get(key, span).await
    }

    async fn head(&self, key: &Key) -> Result<Entry> {
        self.inner.head(key).await
    }

    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        self.inner.list(folder)
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let name = key.as_str().rsplit('/').next().unwrap().to_owned();
        self.asked.lock().unwrap().push(name.clone());
        match self.refusal(&name) {
            Some(error) => Err(error),
            None => self.inner.delete(key).await,
        }
    }

    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>> {
        self.inner.unfinished(folder).await
    }

    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.inner.remove_unfinished(upload).await
    }
}

fn down() -> Error {
    Error::Unavailable("down".to_owned())
}

async fn listed(store: &dyn Store) -> Vec<Listed> {
    catalogue::list(store, &fixture::archive()).await.unwrap()
}

async fn objects(store: &dyn Store) -> usize {
    store.list(&fixture::archive().folder().unwrap()).count().await
}

#[tokio::test]
async fn the_manifest_goes_first_and_everything_else_with_it() {
    let store = Stubborn::new(Vec::new());
    let [gone, stays] =
        [fixture::store(&store, 5, "10:00:00").await, fixture::store(&store, 9, "11:00:00").await];
    let verified = fixture::archive().verification(gone, fixture::at("12:00:00"), true).unwrap();
    fixture::put(&store, verified, "{}").await;

    delete(&store, &fixture::archive(), gone).await.unwrap();

    assert_eq!(store.asked()[0], "manifest-0000000000000005.json");
    assert_eq!(store.asked().len(), 4);
    assert_eq!(listed(&store).await.iter().map(|one| one.id).collect::<Vec<_>>(), [stays]);
    assert_eq!(objects(&store).await, 3);
}

#[tokio::test]
async fn what_a_broken_deletion_leaves_is_in_no_list_and_found_as_abandoned() {
    let store = Stubborn::new(vec![("data", down())]);
    let id = fixture::store(&store, 5, "10:00:00").await;
    let all = listed(&store).await;

    let pruned = delete_all(&store, &all.iter().collect::<Vec<_>>()).await;

    assert_eq!(pruned.failed, [(id, down())]);
    assert_eq!(listed(&store).await, []);
    let late = "2099-01-01T00:00:00Z".parse().unwrap();
    let found = abandoned::find(&store, &fixture::archive().folder().unwrap(), late).await.unwrap();
    assert!(found.objects().any(|key| key.as_str().ends_with("data.db.gz")), "{found:?}");
    abandoned::remove_as_of(&store, &found, late).await.unwrap();
    assert_eq!(objects(&store).await, 0);
}

#[tokio::test]
async fn a_locked_backup_stays_whole_for_later_and_holds_up_no_other() {
    let store = Stubborn::new(vec![("0009.json", Error::Locked("plum".to_owned()))]);
    let free = fixture::store(&store, 5, "10:00:00").await;
    let locked = fixture::store(&store, 9, "11:00:00").await;
    let all = listed(&store).await;

    let pruned = delete_all(&store, &all.iter().collect::<Vec<_>>()).await;

    assert_eq!((pruned.deleted, pruned.later), (vec![free], vec![locked]));
    assert_eq!(listed(&store).await, all[..1]);
    assert_eq!(objects(&store).await, 3);
}

#[tokio::test]
async fn one_that_somebody_has_begun_to_read_since_the_list_stays() {
    let store = Objects::memory();
    let [read, gone] =
        [fixture::store(&store, 5, "10:00:00").await, fixture::store(&store, 9, "11:00:00").await];
    let all = listed(&store).await;
    catalogue::want(&store, &fixture::archive(), read, fixture::at("12:00:00")).await.unwrap();

    let pruned = delete_all(&store, &all.iter().collect::<Vec<_>>()).await;

    assert_eq!((pruned.deleted, pruned.later), (vec![gone], vec![read]));
    assert_eq!(objects(&store).await, 4);
}

#[tokio::test]
async fn data_that_another_manifest_speaks_of_stays() {
    let store = Stubborn::new(Vec::new());
    let id = fixture::store(&store, 5, "10:00:00").await;
    let copy = BackupId::new(6, id.start());
    fixture::put(&store, fixture::archive().manifest(copy).unwrap(), "{}").await;

    delete(&store, &fixture::archive(), copy).await.unwrap();

    assert_eq!(store.asked(), ["manifest-0000000000000006.json"]);
    assert_eq!(listed(&store).await[0].id, id);
}

#[tokio::test]
async fn a_backup_that_is_not_there_is_said_so() {
    let store = Objects::memory();
    let id = BackupId::new(5, fixture::at("10:00:00"));
    let error = delete(&store, &fixture::archive(), id).await.unwrap_err();
    assert_eq!(error.reason(), "NotFound");
}

#[tokio::test]
async fn a_whole_archive_goes_with_all_that_lies_in_it_and_no_other() {
    let store = Stubborn::new(Vec::new());
    fixture::store(&store, 5, "10:00:00").await;
    let stray = fixture::archive().folder().unwrap().join("notes.txt").unwrap();
    fixture::put(&store, stray, "mine").await;
    let other = ArchivePath::new("prod", "orders", "other").unwrap();
    let kept = other.manifest(BackupId::new(1, fixture::at("10:00:00"))).unwrap();
    fixture::put(&store, kept.clone(), "{}").await;

    delete_archive(&store, &fixture::archive()).await.unwrap();

    assert_eq!(objects(&store).await, 0);
    assert!(store.head(&kept).await.is_ok());
}
