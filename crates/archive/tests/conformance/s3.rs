//! The promises and the refusals of a real S3 server.

use std::sync::Arc;

use archive::{
    location::Location,
    store::{PART, Patience, Put, Span, Store},
};
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use testbed::s3::Server;

use crate::{
    child,
    suite::{self, Crash, key, made, read},
};

pub async fn open(url: &str, patience: Patience) -> Arc<dyn Store> {
    url.parse::<Location>().unwrap().open(patience).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_keeps_every_promise() {
    if let Some(url) = child::inside() {
        let store = open(&url, Patience::default()).await;
        return suite::all(&store, Crash::LeavesParts).await;
    }
    let server = Server::start().await;
    server.create_bucket("plums").await;
    let url = format!("s3://plums/deep/down?endpoint={}", server.endpoint());
    child::run("s3::a_real_server_keeps_every_promise", &url, &server.environment());
}

/// The value that the child gets is the expected reason and the store.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_and_a_missing_bucket_are_told_as_such() {
    if let Some(value) = child::inside() {
        let (reason, url) = value.split_once(' ').unwrap();
        return every_call_is_refused(reason, url).await;
    }
    let server = Server::start().await;
    server.create_bucket("plums").await;
    let [plums, absent] =
        ["plums", "absent"].map(|bucket| format!("s3://{bucket}/p?endpoint={}", server.endpoint()));
    let right = server.environment();
    let with = |name: &'static str, value: &'static str| {
        let mut wrong = right.to_vec();
        wrong.retain(|(known, _)| *known != name);
        wrong.push((name, value));
        wrong
    };
    let test = "s3::wrong_credentials_and_a_missing_bucket_are_told_as_such";
    child::run(test, &format!("Credentials {plums}"), &with("AWS_ACCESS_KEY_ID", "nobody"));
    child::run(test, &format!("Credentials {plums}"), &with("AWS_SECRET_ACCESS_KEY", "guessed"));
    child::run(test, &format!("Credentials {plums}"), &[("AWS_EC2_METADATA_DISABLED", "true")]);
    child::run(test, &format!("NoBucket {absent}"), &right);
}

async fn every_call_is_refused(reason: &str, url: &str) {
    let store = open(url, Patience::default()).await;
    let name = key("refused/x");
    assert_eq!(store.get(&name, Span::ALL).await.unwrap_err().reason(), reason, "get");
    let listed = store.list(&key("refused")).try_collect::<Vec<_>>().await;
    assert_eq!(listed.unwrap_err().reason(), reason, "list");
    assert_eq!(store.unfinished(&key("refused")).await.unwrap_err().reason(), reason, "unfinished");
    if reason == "NoBucket" {
        // This server makes a missing bucket for whoever writes; `faults` has one that does not.
        return;
    }
    let put = store.put_if_absent(&name, Bytes::from_static(b"x"), None).await;
    assert_eq!(put.unwrap_err().reason(), reason, "put");
    let uploaded = async {
        let mut upload = store.begin_upload(&name, None).await?;
        upload.write(made(PART + 1)).await?;
        upload.finish().await
    };
    assert_eq!(uploaded.await.unwrap_err().reason(), reason, "upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_object_is_not_deleted_before_its_time() {
    if let Some(endpoint) = child::inside() {
        return locked_objects_stay(&endpoint).await;
    }
    let server = Server::start().await;
    server.create_bucket("plums").await;
    let test = "s3::a_locked_object_is_not_deleted_before_its_time";
    child::run(test, &server.endpoint(), &server.environment());
}

async fn locked_objects_stay(endpoint: &str) {
    create_locking_bucket(endpoint, "vault").await;
    let url = format!("s3://vault/p?endpoint={endpoint}&lock=compliance&lockDays=1");
    let store = open(&url, Patience::default()).await;
    let until = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 200));
    let manifest = key("locked/manifest");
    let put = store.put_if_absent(&manifest, Bytes::from_static(b"m"), until).await;
    assert_eq!(put.unwrap(), Put::Created);
    let mut names = vec![manifest];
    for size in [7, PART + 7] {
        let name = key(&format!("locked/{size}"));
        let mut upload = store.begin_upload(&name, until).await.unwrap();
        upload.write(made(size)).await.unwrap();
        upload.finish().await.unwrap();
        names.push(name);
    }
    for name in &names {
        let refused = store.delete(name).await.unwrap_err();
        assert_eq!(refused.reason(), "Locked", "{name}: {refused}");
        assert!(!read(&store, name).await.is_empty());
    }
    let open_bucket = url.replace("vault", "plums");
    let open_bucket = open(&open_bucket, Patience::default()).await;
    let put = open_bucket.put_if_absent(&key("x"), Bytes::from_static(b"x"), until).await;
    let mut upload = open_bucket.begin_upload(&key("y"), until).await.unwrap();
    let uploaded = upload.write(made(PART)).await;
    for refused in [put.unwrap_err(), uploaded.unwrap_err()] {
        assert!(refused.to_string().contains("with object lock on"), "{refused}");
    }
    let free = key("free/x");
    store.put_if_absent(&free, Bytes::from_static(b"f"), None).await.unwrap();
    store.delete(&free).await.unwrap();
    assert_eq!(store.head(&free).await.unwrap_err().reason(), "NotFound");
}

/// The SDK itself, for what the store's own calls do not do.
pub async fn client(endpoint: &str) -> aws_sdk_s3::Client {
    let shared = aws_config::defaults(aws_config::BehaviorVersion::latest());
    let shared = shared.endpoint_url(endpoint).load().await;
    let config = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

async fn create_locking_bucket(endpoint: &str, name: &str) {
    let create = client(endpoint).await.create_bucket().bucket(name);
    create.object_lock_enabled_for_bucket(true).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_unavailable() {
    if let Some(url) = child::inside() {
        let store = open(&url, Patience::default()).await;
        let refused = store.get(&key("x"), Span::ALL).await.unwrap_err();
        return assert_eq!(refused.reason(), "Unavailable", "{refused}");
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let credentials = [
        ("AWS_ACCESS_KEY_ID", "quince"),
        ("AWS_SECRET_ACCESS_KEY", "quince"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let url = format!("s3://plums?endpoint=http://{free}");
    child::run("s3::a_server_that_is_away_is_unavailable", &url, &credentials);
}
