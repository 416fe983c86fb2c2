//! Snapshots of real etcd: the reader equals etcdutl, and the checker equals the reader.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests fail by panicking"
)]

mod support;

use etcd::MemberId;
use serde_json::json;
use snapshot::Database;
use support::{Etcd, checked, contents};
use testbed::{on_each_version, programs::Version, until};

on_each_version! {
    a_snapshot_of_any_history_reads_as_etcdutl_reads_it,
    members_and_their_changes_are_read,
    a_snapshot_under_constant_writes_is_whole,
}

/// Compares everything that can be known of the snapshot of this moment.
fn compare(etcd: &Etcd, moment: &str) -> snapshot::Contents {
    let bytes = etcd.snapshot();
    let size = u64::try_from(bytes.len()).unwrap();
    let status = Database::open(&bytes, size).unwrap().status().unwrap();
    let oracle = etcd.etcdutl_status(&bytes);
    let keys = match etcd.version {
        Version::V3_5 => status.entries,
        Version::V3_6 | Version::V3_7 => status.live_keys,
    };
    let mut ours = json!({
        "hash": status.hash,
        "revision": status.revision,
        "totalKey": keys,
        "totalSize": status.size,
    });
    if oracle.get("version").is_some() {
        ours["version"] = json!(status.version.clone().unwrap_or_default());
    }
    assert_eq!(ours, oracle, "{moment}");
    let contents = contents(&bytes).unwrap();
    for piece in [32 << 10, 4096, 1000, 37, bytes.len(), bytes.len() - 32] {
        let checked = checked(&bytes, piece).unwrap();
        assert_eq!(checked.contents, contents, "{moment}, in pieces of {piece}");
        assert_eq!(checked.size, size);
    }
    assert_eq!(contents.live_keys, Some(status.live_keys));
    assert_eq!(contents.buckets.values().sum::<u64>(), status.entries);
    contents
}

async fn a_snapshot_of_any_history_reads_as_etcdutl_reads_it(version: Version) {
    let mut etcd = Etcd::start(version, 1).await;
    let fresh = compare(&etcd, "fresh");
    assert_eq!((fresh.revision, fresh.live_keys), (1, Some(0)));
    assert_eq!(fresh.cluster_version, Some(format!("{}.0", version.minor())));
    assert_eq!(fresh.members.len(), 1);
    assert_eq!(fresh.members[0].name, "quince-0");

    for key in 0..5 {
        etcd.client.put(format!("few/{key}").as_bytes(), b"v").await.unwrap();
    }
    let few = compare(&etcd, "few keys");
    assert_eq!((few.revision, few.live_keys), (6, Some(5)));

    churn(&etcd, 0..1500).await;
    compare(&etcd, "many revisions");
    let middle = compact(&etcd, 700);
    let compacted = compare(&etcd, "compacted in the middle");
    assert_eq!(compacted.compact_revision, middle);

    churn(&etcd, 1500..2200).await;
    large(&etcd).await;
    compare(&etcd, "stale pages and large values");
    for back in [300, 171, 90, 23, 7] {
        compact(&etcd, back);
        compare(&etcd, "compacted again");
    }
    etcd.ctl(&["defrag"]);
    compare(&etcd, "defragmented");
    compact(&etcd, 0);
    compare(&etcd, "compacted to the last");

    let lease = etcd.ctl(&["lease", "grant", "3600"]);
    let lease = lease.split_whitespace().nth(1).unwrap();
    for key in 0..3 {
        etcd.ctl(&["put", &format!("leased/{key}"), "v", "--lease", lease]);
    }
    etcd.enable_auth();
    let last = compare(&etcd, "leases and auth");
    assert!(last.auth_enabled);
    assert_eq!(last.buckets["lease"], 1);
    assert_eq!(last.buckets["authUsers"], 2);
}

/// Puts, updates, deletions, and transactions of several of them.
async fn churn(etcd: &Etcd, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let key = format!("key/{}", number * 7919 % 400);
        if number % 5 == 4 {
            etcd.client.delete(key.as_bytes()).await.unwrap();
        } else {
            let value = "x".repeat(usize::try_from(number * 31 % 300).unwrap());
            etcd.client.put(key.as_bytes(), value.as_bytes()).await.unwrap();
        }
        if number % 200 == 0 {
            let mut changes: Vec<_> = (0..20).map(|n| format!("put txn/{n} {number}")).collect();
            changes.extend((0..20).map(|n| format!("del key/{}", n * 13)));
            etcd.txn(&changes);
        }
    }
}

async fn large(etcd: &Etcd) {
    for number in 0..40 {
        let key = format!("large/{}", number % 7);
        let value = vec![b'y'; number * number * 900 % 1_200_000];
        etcd.client.put(key.as_bytes(), &value).await.unwrap();
    }
}

/// Compacts to that many revisions before the last.
fn compact(etcd: &Etcd, back: u64) -> u64 {
    let now = contents(&etcd.snapshot()).unwrap().revision;
    etcd.ctl(&["compact", "--physical", &(now - back).to_string()]);
    now - back
}

async fn members_and_their_changes_are_read(version: Version) {
    let etcd = Etcd::start(version, 3).await;
    let place = testbed::member::Place::new("quince-learner");
    // A young cluster refuses until its peers have been connected for a while.
    until("a learner is added", async || etcd.client.add_learner(&place.peer_url).await.ok()).await;
    let with_learner = compare(&etcd, "three members and a learner");
    let list = etcd.client.member_list().await.unwrap();
    assert_eq!(with_learner.members.len(), 4);
    let learner = with_learner.members.iter().find(|member| member.is_learner).unwrap();
    assert_eq!(learner.peer_urls, [place.peer_url]);
    assert!(learner.name.is_empty());
    let names: Vec<_> = list.members.iter().map(|member| member.name.clone()).collect();
    assert!(with_learner.members.iter().all(|member| names.contains(&member.name)));

    let id = MemberId(learner.id);
    until("the learner is removed", async || etcd.client.remove(id).await.ok()).await;
    let without = compare(&etcd, "the learner removed");
    assert_eq!(without.members.len(), 3);
    assert_eq!(without.buckets["members_removed"], 1);
}

async fn a_snapshot_under_constant_writes_is_whole(version: Version) {
    let etcd = Etcd::start(version, 1).await;
    churn(&etcd, 0..600).await;
    let url = etcd.cluster.members[0].place.client_url.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let writing = std::thread::spawn(move || write_until(&url, &stopped));
    for _ in 0..5 {
        compare(&etcd, "while writing");
        compact(&etcd, 50);
    }
    drop(stop);
    assert!(writing.join().unwrap() > 50, "it was written meanwhile");
}

/// Writes from a thread of its own; how often.
fn write_until(url: &str, stopped: &std::sync::mpsc::Receiver<()>) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let writer = testbed::cluster::connect(url, testbed::cluster::TIMEOUTS).await;
        let mut number = 0;
        while let Err(std::sync::mpsc::TryRecvError::Empty) = stopped.try_recv() {
            let key = format!("written/{}", number % 100);
            writer.put(key.as_bytes(), &[b'z'; 500]).await.unwrap();
            number += 1;
        }
        number
    })
}
