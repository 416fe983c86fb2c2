//! What is old by both clocks and has no manifest goes; all else stays.

use bytes::Bytes;

use super::*;
use crate::{
    catalogue::fixture::{self, at, put},
    layout::{ATTEMPT, BackupId},
    store::objects::Objects,
};

/// The memory's clock is the real one, so what is put now is a day old at this time.
fn tomorrow() -> Timestamp {
    "2099-01-01T00:00:00Z".parse().unwrap()
}

async fn half_a_backup(store: &Objects, start: Timestamp) -> BackupId {
    let id = BackupId::new(7, start);
    put(store, fixture::archive().object(id, ATTEMPT).unwrap(), "{}").await;
    put(store, fixture::archive().data(id).unwrap(), "plums").await;
    id
}

async fn found(store: &Objects, now: Timestamp) -> Abandoned {
    find(store, &fixture::archive().folder().unwrap(), now).await.unwrap()
}

#[tokio::test]
async fn a_folder_without_a_manifest_goes_after_a_day_and_others_stay() {
    let store = Objects::memory();
    half_a_backup(&store, at("10:00:00")).await;
    fixture::store(&store, 9, "11:00:00").await;

    let left = found(&store, tomorrow()).await;

    assert_eq!(left.len(), 2);
    assert!(left.objects().all(|key| key.as_str().contains("/20261122T100000Z/")), "{left:?}");
    assert_eq!(remove_as_of(&store, &left, tomorrow()).await.unwrap(), 2);
    assert!(found(&store, tomorrow()).await.is_empty());
    assert_eq!(crate::catalogue::list(&store, &fixture::archive()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_young_by_either_clock_stays() {
    let store = Objects::memory();
    let id = half_a_backup(&store, "2098-12-31T12:00:00Z".parse().unwrap()).await;
    assert!(found(&store, tomorrow()).await.is_empty(), "by the writer's clock");

    let store = Objects::memory();
    half_a_backup(&store, "2020-01-01T00:00:00Z".parse().unwrap()).await;
    let data = fixture::archive().data(BackupId::new(7, "2020-01-01T00:00:00Z".parse().unwrap()));
    let written = crate::store::Store::head(&store, &data.unwrap()).await.unwrap().modified;
    let just_short = written + AGE;
    assert!(found(&store, just_short).await.is_empty(), "by the store's clock");
    assert_eq!(found(&store, tomorrow()).await.len(), 2);
    assert_eq!(id.revision(), 7);
}

#[tokio::test]
async fn a_manifest_that_came_after_the_look_saves_its_folder() {
    let store = Objects::memory();
    let id = half_a_backup(&store, at("10:00:00")).await;
    let left = found(&store, tomorrow()).await;
    put(&store, fixture::archive().manifest(id).unwrap(), "{}").await;

    assert_eq!(remove_as_of(&store, &left, tomorrow()).await.unwrap(), 0);
    assert!(store.head(&fixture::archive().data(id).unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_writer_that_is_still_at_work_finds_its_note_gone_before_its_data() {
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(Objects::memory());
    let begin = crate::attempt::Attempt::begin(store.clone(), fixture::archive(), at("10:00:00"));
    let attempt = begin.await.unwrap();
    let id = attempt.id(7);
    put(&*store, fixture::archive().data(id).unwrap(), "plums").await;
    put(&*store, fixture::archive().verification(id, at("11:00:00"), true).unwrap(), "{}").await;
    let left = find(&*store, &fixture::archive().folder().unwrap(), tomorrow()).await.unwrap();
    let names: Vec<_> =
        left.objects().map(|key| key.as_str().rsplit('/').next().unwrap()).collect();
    assert_eq!((names[0], names[2]), ("attempt.json", "data.db.gz"), "{names:?}");

    assert_eq!(remove_as_of(&*store, &left, tomorrow()).await.unwrap(), 3);

    let manifest = fixture::manifest(7, &at("10:00:00").to_string());
    assert_eq!(attempt.commit(&manifest).await.unwrap_err().reason(), "AlreadyExists");
    assert!(crate::catalogue::list(&*store, &fixture::archive()).await.unwrap().is_empty());
}

/// A folder that was written just now is a day old by a clock that is a day ahead, and a live upload too.
#[tokio::test]
async fn what_is_old_only_by_a_clock_that_is_ahead_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        crate::store::files::Files::open(folder.path(), crate::store::Patience::default()).unwrap();
    let id = BackupId::new(7, at("10:00:00"));
    let archive = fixture::archive().folder().unwrap();
    put(&store, fixture::archive().object(id, ATTEMPT).unwrap(), "{}").await;
    let mut live = store.begin_upload(&fixture::archive().data(id).unwrap(), None).await.unwrap();
    live.write(Bytes::from_static(b"plums")).await.unwrap();
    let found = async || find(&store, &archive, tomorrow()).await.unwrap();
    assert_eq!(found().await.len(), 2, "by the clock of whoever cleans up");

    assert_eq!(remove(&store, &found().await).await.unwrap(), 0);

    assert_eq!(found().await.len(), 2, "and its own note is gone");
    live.finish().await.unwrap();
}

/// A file can be made old, so that the store's own clock is asked in earnest.
#[tokio::test]
async fn what_is_old_by_the_store_s_clock_goes_with_the_note_of_its_removal() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        crate::store::files::Files::open(folder.path(), crate::store::Patience::default()).unwrap();
    let id = BackupId::new(7, at("10:00:00"));
    let key = fixture::archive().object(id, ATTEMPT).unwrap();
    put(&store, key.clone(), "{}").await;
    let file = std::fs::File::options().write(true).open(folder.path().join(key.as_str())).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    // What a removal that was killed has left goes with the rest.
    let note = removing(&key.folder().unwrap(), at("11:00:00")).unwrap();
    put(&store, note.clone(), "{}").await;
    let file =
        std::fs::File::options().write(true).open(folder.path().join(note.as_str())).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();

    let left = find(&store, &fixture::archive().folder().unwrap(), tomorrow()).await.unwrap();
    assert_eq!(remove(&store, &left).await.unwrap(), 2);

    let archive = fixture::archive().folder().unwrap();
    assert_eq!(futures::StreamExt::count(store.list(&archive)).await, 0);
}

#[tokio::test]
async fn what_a_person_put_there_stays() {
    let store = Objects::memory();
    let id = half_a_backup(&store, at("10:00:00")).await;
    put(&store, fixture::archive().object(id, "notes.txt").unwrap(), "mine").await;
    let left = found(&store, tomorrow()).await;
    remove_as_of(&store, &left, tomorrow()).await.unwrap();
    assert!(store.head(&fixture::archive().object(id, "notes.txt").unwrap()).await.is_ok());
    assert!(found(&store, tomorrow()).await.is_empty());
}

#[tokio::test]
async fn an_unfinished_upload_goes_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let store =
        crate::store::files::Files::open(folder.path(), crate::store::Patience::default()).unwrap();
    let id = BackupId::new(7, at("10:00:00"));
    let key = fixture::archive().data(id).unwrap();
    let mut upload = store.begin_upload(&key, None).await.unwrap();
    upload.write(Bytes::from_static(b"plums")).await.unwrap();
    // As a killed process leaves it.
    std::mem::forget(upload);
    let archive = fixture::archive().folder().unwrap();

    assert!(find(&store, &archive, at("20:00:00")).await.unwrap().is_empty());
    let left = find(&store, &archive, tomorrow()).await.unwrap();
    assert_eq!(left.uploads.iter().map(|upload| &upload.key).collect::<Vec<_>>(), [&key]);
    assert_eq!(remove_as_of(&store, &left, tomorrow()).await.unwrap(), 1);
    assert!(find(&store, &archive, tomorrow()).await.unwrap().is_empty());
}
