//! Two sidecars on one archive, by mistake.

use std::collections::BTreeSet;

use testbed::{cluster::Cluster, programs::Version, s3::Server};

use crate::harness::{Archive, fill};

async fn five_rounds(archive: &Archive) {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    fill(&cluster, 2).await;
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        let (one, other) = tokio::join!(archive.take(&cluster, &[]), archive.take(&cluster, &[]));
        for taken in [&one, &other] {
            assert!(taken.finished >= taken.started, "{} ends before it begins", taken.id);
        }
        ids.extend([one.id.to_string(), other.id.to_string()]);
    }
    assert_eq!(ids.len(), 10, "two are one: {ids:?}");
    assert_eq!(archive.ids().await.into_iter().collect::<BTreeSet<_>>(), ids);
    let verified = archive.run(&["verify", "--all"]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
}

#[tokio::test]
async fn two_at_once_in_a_folder_are_both_whole() {
    five_rounds(&Archive::in_a_folder()).await;
}

#[tokio::test]
async fn two_at_once_on_s3_are_both_whole() {
    let server = Server::start().await;
    five_rounds(&Archive::on(&server, "plums").await).await;
}

#[tokio::test]
async fn two_that_prune_and_back_up_at_once_do_each_other_no_harm() {
    let server = Server::start().await;
    let archive = Archive::on(&server, "plums").await;
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let client = cluster.client(0).await;
    // Each is newer than the ones before, whatever second its folder got.
    for value in ["a", "b", "c", "d"] {
        client.put(b"plum", value.as_bytes()).await.unwrap();
        archive.take(&cluster, &[]).await;
    }
    client.put(b"plum", b"e").await.unwrap();
    let prune = ["prune", "--keep-last", "2"];
    let (taken, one, other) =
        tokio::join!(archive.take(&cluster, &[]), archive.run(&prune), archive.run(&prune));
    assert_eq!((one.code, other.code), (Some(0), Some(0)), "{one:?} {other:?}");
    assert_eq!(archive.ids().await[0], taken.id.to_string());
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}
