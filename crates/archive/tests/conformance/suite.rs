//! The promises of `store.rs`, one function each, over any store.

use std::collections::BTreeMap;
use std::sync::Arc;

use archive::{
    digest::Digest,
    key::Key,
    store::{Entry, PART, Put, Span, Store},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use testbed::until;

/// What is left of an upload whose process died in the middle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// It was only in the process's memory.
    LeavesNothing,
    /// Parts, which `unfinished` finds.
    LeavesParts,
}

/// All of them, each in a folder of its own.
pub async fn all(store: &Arc<dyn Store>, crash: Crash) {
    an_object_is_written_once(store).await;
    of_several_writers_one_creates(store).await;
    everything_below_a_folder_is_listed(store).await;
    any_part_of_an_object_can_be_read(store).await;
    what_is_not_there_is_told_so(store).await;
    an_upload_of_any_size_arrives_whole(store).await;
    an_upload_is_invisible_until_it_is_finished(store).await;
    an_upload_replaces_nothing(store).await;
    an_upload_given_up_leaves_nothing(store).await;
    an_upload_whose_process_died_is_found_and_removed(store, crash).await;
}

pub fn key(text: &str) -> Key {
    text.parse().unwrap()
}

pub async fn list(store: &Arc<dyn Store>, folder: &str) -> Vec<Entry> {
    store.list(&key(folder)).try_collect().await.unwrap()
}

pub async fn read(store: &Arc<dyn Store>, key: &Key) -> Bytes {
    store.get(key, Span::ALL).await.unwrap().bytes(u64::MAX).await.unwrap()
}

/// Bytes that no shift or swap of parts leaves as they are.
pub fn made(length: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

async fn an_object_is_written_once(store: &Arc<dyn Store>) {
    let key = key("once/x");
    let put = async |text: &'static str| {
        store.put_if_absent(&key, Bytes::from_static(text.as_bytes()), None).await.unwrap()
    };
    assert_eq!(put("first").await, Put::Created);
    assert_eq!(put("second").await, Put::AlreadyThere);
    assert_eq!(put("first").await, Put::Created, "the same bytes again are the same object");
    assert_eq!(read(store, &key).await, "first");
    assert_eq!(store.head(&key).await.unwrap().size, 5);
    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.head(&key).await.unwrap_err().reason(), "NotFound");
    assert!(list(store, "once").await.is_empty());
    assert_eq!(put("").await, Put::Created, "an empty object is one too");
    assert_eq!(read(store, &key).await, "");
}

async fn of_several_writers_one_creates(store: &Arc<dyn Store>) {
    for round in 0..5 {
        let key = key(&format!("race/{round}"));
        let write = |writer: usize| {
            let key = key.clone();
            async move { store.put_if_absent(&key, Bytes::from(format!("writer {writer}")), None).await }
        };
        let puts = future::join_all((0..8).map(write)).await;
        let winners: Vec<_> = puts
            .iter()
            .enumerate()
            .filter(|(_, put)| **put == Ok(Put::Created))
            .map(|(writer, _)| format!("writer {writer}"))
            .collect();
        assert_eq!(winners.len(), 1, "{puts:?}");
        assert_eq!(read(store, &key).await, winners[0]);
    }
}

async fn everything_below_a_folder_is_listed(store: &Arc<dyn Store>) {
    let names: Vec<_> = (0..1050).map(|n| key(&format!("many/{}/{n}", n % 3))).collect();
    let put = |name: Key| async move {
        let bytes = Bytes::from(name.to_string());
        assert_eq!(store.put_if_absent(&name, bytes, None).await?, Put::Created);
        Ok::<_, archive::Error>(())
    };
    let outside = [key("many-more/x"), key("manya")];
    let all = names.iter().chain(&outside).cloned();
    stream::iter(all).map(put).buffer_unordered(16).try_collect::<()>().await.unwrap();
    let found: BTreeMap<_, _> =
        list(store, "many").await.into_iter().map(|entry| (entry.key, entry.size)).collect();
    let size = |name: &Key| u64::try_from(name.as_str().len()).unwrap();
    let expected: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), size(name))).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
    assert!(list(store, "nothing/here").await.is_empty());
}

async fn any_part_of_an_object_can_be_read(store: &Arc<dyn Store>) {
    let (key, whole) = (key("parts/x"), made(3000));
    store.put_if_absent(&key, whole.clone(), None).await.unwrap();
    for (span, expected) in [
        (Span::ALL, 0..3000),
        (Span::from(1), 1..3000),
        (Span::from(2999), 2999..3000),
        (Span::between(0, 1), 0..1),
        (Span::between(1000, 2000), 1000..2000),
        (Span::between(2990, 9000), 2990..3000),
    ] {
        let reading = store.get(&key, span).await.unwrap();
        assert_eq!(reading.size(), 3000, "{span:?}");
        assert_eq!(reading.bytes(3000).await.unwrap(), whole.slice(expected), "{span:?}");
    }
    for span in [Span::from(3000), Span::between(5000, 6000), Span::between(5, 5)] {
        let refused = store.get(&key, span).await.unwrap_err();
        assert_eq!(refused.reason(), "BadInput", "{span:?}: {refused}");
    }
}

async fn what_is_not_there_is_told_so(store: &Arc<dyn Store>) {
    let missing = key("missing/x");
    for span in [Span::ALL, Span::from(3), Span::between(0, 9)] {
        assert_eq!(store.get(&missing, span).await.unwrap_err().reason(), "NotFound", "{span:?}");
    }
    assert_eq!(store.head(&missing).await.unwrap_err().reason(), "NotFound");
    store.delete(&missing).await.unwrap();
    assert!(store.unfinished(&key("missing")).await.unwrap().is_empty());
}

async fn an_upload_of_any_size_arrives_whole(store: &Arc<dyn Store>) {
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART + 17] {
        let (key, whole) = (key(&format!("upload/{size}")), made(size));
        let mut upload = store.begin_upload(&key, None).await.unwrap();
        // Pieces as the compressor gives them: of no size in particular.
        for piece in whole.chunks(700_001) {
            upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let done = upload.finish().await.unwrap();
        assert_eq!(done.size, u64::try_from(size).unwrap());
        assert_eq!(store.head(&key).await.unwrap().size, done.size);
        assert_eq!(Digest::of(&read(store, &key).await), Digest::of(&whole), "{size} bytes");
    }
}

async fn an_upload_is_invisible_until_it_is_finished(store: &Arc<dyn Store>) {
    let target = key("hidden/x");
    let mut upload = store.begin_upload(&target, None).await.unwrap();
    upload.write(made(2 * PART)).await.unwrap();
    assert!(list(store, "hidden").await.is_empty());
    assert_eq!(store.head(&target).await.unwrap_err().reason(), "NotFound");
    upload.finish().await.unwrap();
    assert_eq!(list(store, "hidden").await.len(), 1);
    assert!(store.unfinished(&key("hidden")).await.unwrap().is_empty());
}

async fn an_upload_replaces_nothing(store: &Arc<dyn Store>) {
    for size in [5, PART + 5] {
        let target = key(&format!("taken/{size}"));
        let mut upload = store.begin_upload(&target, None).await.unwrap();
        upload.write(made(size)).await.unwrap();
        store.put_if_absent(&target, Bytes::from_static(b"other"), None).await.unwrap();
        let refused = upload.finish().await.unwrap_err();
        assert_eq!(refused.reason(), "AlreadyExists", "{size} bytes: {refused}");
        assert_eq!(read(store, &target).await, "other");
    }
    nothing_is_left(store, "taken", 2).await;
}

async fn an_upload_given_up_leaves_nothing(store: &Arc<dyn Store>) {
    let target = key("given-up/x");
    let mut aborted = store.begin_upload(&target, None).await.unwrap();
    aborted.write(made(PART + 1)).await.unwrap();
    aborted.abort().await.unwrap();
    nothing_is_left(store, "given-up", 0).await;
    let mut dropped = store.begin_upload(&target, None).await.unwrap();
    dropped.write(made(PART + 1)).await.unwrap();
    drop(dropped);
    nothing_is_left(store, "given-up", 0).await;
}

/// A removal in the background may take a moment.
async fn nothing_is_left(store: &Arc<dyn Store>, folder: &str, objects: usize) {
    until("nothing is left of the uploads", async || {
        store.unfinished(&key(folder)).await.unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(list(store, folder).await.len(), objects);
}

async fn an_upload_whose_process_died_is_found_and_removed(store: &Arc<dyn Store>, crash: Crash) {
    let target = key("died/x");
    let mut upload = store.begin_upload(&target, None).await.unwrap();
    upload.write(made(3 * PART + 1)).await.unwrap();
    std::mem::forget(upload);
    assert!(list(store, "died").await.is_empty());
    assert!(store.unfinished(&key("elsewhere")).await.unwrap().is_empty());
    let left = store.unfinished(&key("died")).await.unwrap();
    assert_eq!(left.is_empty(), crash == Crash::LeavesNothing, "{left:?}");
    for upload in &left {
        assert_eq!(upload.key, target);
        store.remove_unfinished(upload).await.unwrap();
        store.remove_unfinished(upload).await.unwrap();
    }
    nothing_is_left(store, "died", 0).await;
}
