//! Slow is no failure; standing still is one.

use std::time::{Duration, Instant};

use testbed::{cluster::Cluster, programs::Version, s3::Server};

use crate::{
    harness::{Archive, Run, fill},
    proxy::{Deed, Proxy},
};

#[tokio::test]
async fn a_slow_store_gets_its_backup_however_long_it_takes() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    // At 1 KiB/s a database of some kilobytes, and a larger one on a line that is faster, whose
    // patience is shorter than the whole.
    for (pace, megabytes, patience, at_least) in [(1 << 10, 0, 60, 2), (768 << 10, 8, 10, 10)] {
        fill(&cluster, megabytes).await;
        let proxy = Proxy::start(&server, move |_| Deed::Slow(pace));
        let mut once = archive.once(&cluster, &["--json"]);
        once.env("ETCD_BACKUP_STORE", proxy.url("plums"));
        once.env("ETCD_BACKUP_PATIENCE", format!("{patience}s"));
        let start = Instant::now();

        let run = Run::of(once.spawn().unwrap()).await;

        assert_eq!(run.code, Some(0), "{pace} bytes/s: {}", run.stderr);
        assert!(start.elapsed() > Duration::from_secs(at_least), "{:?}", start.elapsed());
    }
    assert_eq!(archive.ids().await.len(), 2);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn what_hardly_moves_fails_in_a_sentence_and_the_next_attempt_works() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    fill(&cluster, 2).await;
    let proxy = Proxy::start(&server, |_| Deed::Slow(1 << 10));
    let mut once = archive.once(&cluster, &["--json"]);
    once.env("ETCD_BACKUP_STORE", proxy.url("plums")).env("ETCD_BACKUP_PATIENCE", "4s");
    let run = Run::of(once.spawn().unwrap()).await;
    assert!(run.fails(1).contains("nothing moved for 4s"), "{}", run.stderr);
    assert_eq!(archive.ids().await, [""; 0]);
    archive.take(&cluster, &[]).await;
}
