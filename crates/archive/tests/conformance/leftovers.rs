//! More unfinished uploads than one answer of the store holds.

use std::collections::BTreeSet;

use archive::{
    abandoned,
    layout::{ArchivePath, BackupId},
    store::Patience,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use testbed::s3::Server;

use crate::{
    canned::{self, answer},
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
    assert!(abandoned::find(&*store, &archive.folder().unwrap(), soon).await.unwrap().is_empty());
    let later = "2099-01-01T00:00:00Z".parse().unwrap();
    let found = abandoned::find(&*store, &archive.folder().unwrap(), later).await.unwrap();
    assert_eq!(found.len(), OF_ONE + OF_OTHERS);
    assert_eq!(abandoned::remove(&*store, &found).await, Ok(0), "the store's own clock says no");
    assert_eq!(abandoned::remove_as_of(&*store, &found, later).await, Ok(OF_ONE + OF_OTHERS));
    assert!(abandoned::find(&*store, &archive.folder().unwrap(), later).await.unwrap().is_empty());
    assert_eq!(store.unfinished(&key("v1/shop/kv2")).await.unwrap().len(), 1);
    other.abort().await.unwrap();
}

/// The real server gives all of them in one answer, Amazon's a thousand at a time.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_of_unfinished_uploads_begins_where_the_last_ended() {
    let test = "leftovers::the_next_page_of_unfinished_uploads_begins_where_the_last_ended";
    if let Some(url) = child::inside() {
        let store = open(&url, Patience::default()).await;
        let found = store.unfinished(&key("v1")).await.unwrap();
        let ids: BTreeSet<_> = found.iter().map(|upload| &upload.upload).collect();
        return assert_eq!((found.len(), ids.len()), (2500, 2500));
    }
    let server = canned::Server::start(|head| answer(200, "", &page(head))).await;
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "quince"),
        ("AWS_SECRET_ACCESS_KEY", "quince"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    child::run(test, &format!("s3://plums?endpoint={}", server.endpoint), &credentials);
    assert_eq!(server.heads().len(), 3, "{:?}", server.heads());
}

/// All uploads are of one name, so their own names alone tell where a page ends.
fn page(head: &str) -> String {
    let after = head.split("upload-id-marker=u").nth(1);
    let after = after.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    let first = after.map_or(0, |number| number.parse::<usize>().unwrap() + 1);
    assert_eq!(first > 0, head.contains("key-marker=v1%2fx"), "{head}");
    let last = (first + 1000).min(2500) - 1;
    let upload = |n: usize| {
        format!(
            "<Upload><Key>v1/x</Key><UploadId>u{n}</UploadId>\
             <Initiated>2026-01-01T00:00:00Z</Initiated></Upload>"
        )
    };
    let uploads: String = (first..=last).map(upload).collect();
    format!(
        "<ListMultipartUploadsResult><IsTruncated>{}</IsTruncated><NextKeyMarker>v1/x</NextKeyMarker>\
         <NextUploadIdMarker>u{last}</NextUploadIdMarker>{uploads}</ListMultipartUploadsResult>",
        last < 2499
    )
}
