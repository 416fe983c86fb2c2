//! Thousands of backups.

use std::time::Instant;

use archive::{
    digest::Digest,
    layout::BackupId,
    location::Location,
    manifest::Manifest,
    store::{Patience, Put, Store},
};
use bytes::Bytes;
use futures::StreamExt;
use jiff::SignedDuration;
use testbed::{cluster::Cluster, programs::Version, s3};

use crate::harness::Archive;

const DATA: &[u8] = b"plums";
/// One of each hour, for half a year and more.
const MANY: usize = 5_000;
/// Their objects are more than a list of S3's has at a time.
const ON_S3: usize = 600;

/// Earlier ones like this one, an hour apart, under names of their own.
fn earlier_than(newest: &Manifest, many: usize) -> Vec<Manifest> {
    let earlier = |hours: usize| {
        let mut one = newest.clone();
        let age = SignedDuration::from_hours(i64::try_from(hours).unwrap());
        (one.started, one.finished) = (newest.started - age, newest.finished - age);
        one.id = BackupId::new(one.revision, one.started);
        one.stored.size = u64::try_from(DATA.len()).unwrap();
        one.stored.sha256 = Digest::of(DATA);
        one
    };
    (1..many).map(earlier).collect()
}

async fn put(store: &dyn Store, manifest: Manifest) {
    let archive = manifest.archive().unwrap();
    let [data, committed] =
        [archive.data(manifest.id).unwrap(), archive.manifest(manifest.id).unwrap()];
    for (key, bytes) in
        [(data, Bytes::from_static(DATA)), (committed, manifest.to_bytes().unwrap())]
    {
        assert_eq!(store.put_if_absent(&key, bytes, None).await.unwrap(), Put::Created);
    }
}

async fn are_listed_and_pruned(archive: &Archive, many: usize) {
    let start = Instant::now();
    let list = archive.json(&["list"]).await;
    let listed = start.elapsed();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), many);
    assert!(list.iter().all(|one| one["damaged"].is_null() && one["etcdVersion"].is_string()));

    let start = Instant::now();
    let pruned = archive.run(&["prune", "--keep-last", "5"]).await;
    let took = start.elapsed();
    assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
    assert_eq!(pruned.stdout.matches("no rule keeps it").count(), list.len() - 5);
    let left: Vec<_> = list[..5].iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(archive.ids().await, left);
    println!("{many} backups listed in {listed:?}, pruned in {took:?}");
}

async fn newest(archive: &Archive) -> Manifest {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    archive.take(&cluster, &[]).await
}

#[tokio::test]
async fn five_thousand_backups_in_a_folder_are_listed_and_pruned() {
    let archive = Archive::in_a_folder();
    let folder = archive.scratch("");
    for manifest in earlier_than(&newest(&archive).await, MANY) {
        // Without the store's care for crashes, which takes its time.
        let path = manifest.archive().unwrap();
        let data = folder.join(path.data(manifest.id).unwrap().as_str());
        std::fs::create_dir_all(data.parent().unwrap()).unwrap();
        std::fs::write(&data, DATA).unwrap();
        let committed = folder.join(path.manifest(manifest.id).unwrap().as_str());
        std::fs::write(committed, manifest.to_bytes().unwrap()).unwrap();
    }
    are_listed_and_pruned(&archive, MANY).await;
    assert_eq!(archive.files().len(), 5 * 2 + 1, "and nothing else is left");
}

/// Says to the child of this test where it is to write.
const URL: &str = "FAULTS_TEST_URL";
const MANIFEST: &str = "FAULTS_TEST_MANIFEST";

/// The SDK takes credentials from the environment, which a process cannot change safely: so the test
/// runs itself once more, for writing, as a child.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_backups_than_s3_lists_at_once_are_listed_and_pruned() {
    if let Ok(url) = std::env::var(URL) {
        return write(&url, &std::env::var(MANIFEST).unwrap()).await;
    }
    let server = s3::Server::start().await;
    let archive = Archive::on(&server, "plums").await;
    let manifest = serde_json::to_string(&newest(&archive).await).unwrap();
    let url = format!("s3://plums/backups?endpoint={}", server.endpoint());
    let test = "many::more_backups_than_s3_lists_at_once_are_listed_and_pruned";
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .envs(server.environment())
        .envs([(URL, url), (MANIFEST, manifest)])
        .status();
    assert!(child.await.unwrap().success());
    are_listed_and_pruned(&archive, on_s3()).await;
}

/// Writing takes longest, so whoever wants to see more must ask for it.
fn on_s3() -> usize {
    std::env::var("FAULTS_TEST_MANY").map_or(ON_S3, |many| many.parse().unwrap())
}

async fn write(url: &str, manifest: &str) {
    let store = url.parse::<Location>().unwrap().open(Patience::default()).await.unwrap();
    let manifests = earlier_than(&serde_json::from_str(manifest).unwrap(), on_s3());
    let writing = manifests.into_iter().map(|manifest| {
        let store = store.clone();
        tokio::spawn(async move { put(&*store, manifest).await })
    });
    let done: Vec<_> = futures::stream::iter(writing).buffer_unordered(32).collect().await;
    assert!(done.into_iter().all(|one| one.is_ok()));
}
