//! Stores and members that fail for a while.

use testbed::{cluster::Cluster, programs::Version, s3};

use crate::{harness::Archive, sidecar::Site};

#[tokio::test]
async fn a_store_that_dies_is_told_with_since_and_why_and_backups_go_on_when_it_is_back() {
    let (cluster, mut server) = tokio::join!(Cluster::start(Version::V3_6, 1), s3::Server::start());
    let archive = Archive::on(&server, "plums").await;
    let site = Site::of(&cluster, &archive, 1, 0);
    let running = site.start(&archive, &[]).await;
    let good = site.wait("the first comes at once", |status| status.backups == 1).await;
    server.kill();
    cluster.client(0).await.put(b"/fig", b"leaf").await.unwrap();

    let attempts =
        |status: &api::sidecar::SidecarStatus| status.failing.as_ref().map(|it| it.attempts);
    // The first may have been one to tidy up.
    let one = site.wait("it fails", |status| attempts(status) >= Some(2)).await;
    let two = site.wait("it fails again", |status| attempts(status) > attempts(&one)).await;

    let [one, two] = [one, two].map(|status| status.failing.unwrap());
    assert_eq!(one.since, two.since);
    assert!(one.since >= good.last_success.unwrap());
    assert_eq!(two.reason, "Unavailable");
    assert!(two.message.contains("check that it runs"), "{}", two.message);
    assert!(site.metrics().await.contains("etcd_backup_failures_total{reason=\"Unavailable\"}"));
    let now = site.get("/v1/backupnow").await;
    assert_eq!(now.status, 500, "{}", now.text());

    server.restart().await;
    let well = site.wait("it works again", |status| status.failing.is_none()).await;
    assert!(well.backups >= 2 && well.last_success > good.last_success, "{well:?}");
    running.stop().await;
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn a_sidecar_that_starts_without_store_and_etcd_waits_for_both() {
    let (mut cluster, mut server) =
        tokio::join!(Cluster::start(Version::V3_6, 1), s3::Server::start());
    let archive = Archive::on(&server, "plums").await;
    server.kill();
    cluster.members[0].kill();
    let site = Site::of(&cluster, &archive, 1, 0);
    let running = site.start(&archive, &[]).await;
    let without_store = site.status().await.failing.unwrap();
    assert_eq!(without_store.reason, "Unavailable");

    server.restart().await;
    let is_of_etcd = |status: &api::sidecar::SidecarStatus| {
        status.failing.as_ref().is_some_and(|it| it.message.contains("check that the member runs"))
    };
    site.wait("it is etcd that fails", is_of_etcd).await;
    cluster.members[0].restart();
    site.wait("it works", |status| status.failing.is_none() && status.backups == 1).await;
    running.stop().await;
}
