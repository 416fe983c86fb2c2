//! More unfinished uploads than one answer of the store holds.

use archive::{
    abandoned,
    layout::{ArchivePath, BackupId},
    store::Patience,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use testbed::s3::Server;

use crate::{
    child,
    s3::{client, open},
    suite::{key, made},
};

const TEST: &str = "leftovers::thousands_of_unfinished_uploads_are_found_and_removed_after_a_day";
/// Of one name, as one backup that died again and again.
const OF_ONE: usize = 600;
const OF_OTHERS: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_unfinished_uploads_are_found_and_removed_after_a_day() {
    if let Some(endpoint) = child::inside() {
        return thousands_go(&endpoint).await;
    }
    let server = Server::start().await;
    server.create_bucket("plums").await;
    child::run(TEST, &server.endpoint(), &server.environment());
}

async fn thousands_go(endpoint: &str) {
    let archive = ArchivePath::new("shop", "kv", "u-1").unwrap();
    let start = |n: usize| -> Timestamp {
        let n = i64::try_from(n).unwrap();
        "2020-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(n)
    };
    let data = |n: usize| archive.data(BackupId::new(1, start(n))).unwrap();
    let names: Vec<_> = std::iter::repeat_n(0, OF_ONE)
        .chain(1..=OF_OTHERS)
        .map(|n| format!("p/{}", data(n)))
        .collect();
    let client = client(endpoint).await;
    let create = |name: String| {
        let create = client.create_multipart_upload().bucket("plums").key(name);
        async move { create.send().await.map(drop) }
    };
    stream::iter(names).map(create).buffer_unordered(16).try_collect::<()>().await.unwrap();
    let store = open(&format!("s3://plums/p?endpoint={endpoint}"), Patience::default()).await;
    // Somebody's else, beside the archive.
    let mut other = store.begin_upload(&key("v1/shop/kv2/data"), None).await.unwrap();
    other.write(made(archive::store::PART)).await.unwrap();

    let soon = start(0) + jiff::SignedDuration::from_hours(20);
    assert!(abandoned::find(&*store, &archive, soon).await.unwrap().is_empty());
    let later = "2099-01-01T00:00:00Z".parse().unwrap();
    let found = abandoned::find(&*store, &archive, later).await.unwrap();
    assert_eq!(found.len(), OF_ONE + OF_OTHERS);
    assert_eq!(abandoned::remove(&*store, &found).await, Ok(OF_ONE + OF_OTHERS));
    assert!(abandoned::find(&*store, &archive, later).await.unwrap().is_empty());
    assert_eq!(store.unfinished(&key("v1/shop/kv2")).await.unwrap().len(), 1);
    other.abort().await.unwrap();
}
