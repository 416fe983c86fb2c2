//! Backups by the clock, over restarts, and how many stay.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use testbed::{cluster::Cluster, programs::Version, s3};

use crate::{harness::Archive, sidecar::Site};

/// Seconds between backups, and a time in which a run comes to be due.
const INTERVAL: u64 = 6;
const MISSED: Duration = Duration::from_secs(7);

testbed::on_each_version!(backups_appear_by_the_interval_and_retention_keeps_two);

async fn backups_appear_by_the_interval_and_retention_keeps_two(version: Version) {
    let (cluster, server) = tokio::join!(Cluster::start(version, 1), s3::Server::start());
    let archive = Archive::on(&server, "plums").await;
    let site = Site::of(&cluster, &archive, 1, 2);
    let running = site.start(&archive, &[]).await;
    let client = cluster.client(0).await;
    let mut seen = BTreeSet::new();
    for number in 0..4_u8 {
        client.put(b"/fig", &[number]).await.unwrap();
        // An empty etcd has revision 1.
        let revision = i64::from(number) + 2;
        let status = site
            .wait("the change is backed up", |status| {
                status.recent_backup.as_ref().is_some_and(|recent| recent.revision >= revision)
            })
            .await;
        seen.insert(status.recent_backup.unwrap().id);
    }
    assert_eq!(seen.len(), 4);
    site.wait("two stay", |status| status.backups == 2 && status.running.is_none()).await;

    let ids: Vec<_> = site.backups().await.into_iter().map(|one| one.id).collect();
    assert_eq!(archive.ids().await, ids, "the program shows what the sidecar shows");
    let metrics = site.metrics().await;
    for name in
        ["etcd_backup_attempts_total{outcome=\"Stored\"}", "etcd_backup_retention_deleted_total"]
    {
        let value =
            metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        assert!(value >= Some(2), "{name}: {metrics}");
    }
    // Without a change nothing is written, and it counts as backed up.
    let last = site.status().await;
    let next = site.wait("it looks again", |status| status.last_success > last.last_success).await;
    assert_eq!(next.recent_backup, last.recent_backup);
    running.stop().await;
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn a_restart_neither_doubles_nor_skips() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let site = Site::of(&cluster, &archive, INTERVAL, 0);
    let running = site.start(&archive, &[]).await;
    let client = cluster.client(0).await;
    let first = site.wait("the first comes at once", |status| status.backups == 1).await;
    client.put(b"/fig", b"leaf").await.unwrap();
    running.kill().await;

    let running = site.start(&archive, &[]).await;
    let after = site.wait("it knows the time", |status| status.next.is_some()).await;
    assert_eq!(after.backups, 1);
    let moved = after.next.unwrap().duration_since(first.next.unwrap()).abs();
    assert!(moved < SignedDuration::from_secs(1), "as if nothing had happened, but for {moved}");
    site.wait("the second comes", |status| status.backups == 2).await;
    running.stop().await;

    let mut all = archive.json(&["list"]).await;
    let time =
        |value: &serde_json::Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let all = all.as_array_mut().unwrap();
    let pause = time(&all[0]["startTime"]) - time(&all[1]["finishTime"]);
    // Names have whole seconds.
    let pause = SignedDuration::try_from(pause).unwrap();
    assert!(pause >= SignedDuration::from_secs(5), "{pause}");

    // What was missed is made up for at once, by one.
    client.put(b"/fig", b"fruit").await.unwrap();
    let stopped = Instant::now();
    testbed::until("a run was missed", async || (stopped.elapsed() > MISSED).then_some(())).await;
    let running = site.start(&archive, &[]).await;
    let status = site.wait("one comes at once", |status| status.backups == 3).await;
    assert!(status.next.unwrap() > status.last_success.unwrap());
    running.stop().await;
    assert_eq!(archive.ids().await.len(), 3);
}
