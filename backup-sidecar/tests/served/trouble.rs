//! Stores and members that fail for a while.

use api::sidecar::{BackupRequest, SidecarStatus};
use axum::http::Method;
use serde_json::json;
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

    let attempts = |status: &SidecarStatus| status.failing.as_ref().map(|it| it.attempts);
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
    let is_of_etcd = |status: &SidecarStatus| {
        status.failing.as_ref().is_some_and(|it| it.message.contains("check that the member runs"))
    };
    site.wait("it is etcd that fails", is_of_etcd).await;
    cluster.members[0].restart();
    site.wait("it works", |status| status.failing.is_none() && status.backups == 1).await;
    running.stop().await;
}

/// A member of another cluster under an address of ours, and after a recovery the other way round: the
/// file still names the cluster that is lost.
#[tokio::test]
async fn an_etcd_with_another_id_than_was_told_is_not_backed_up_unless_whoever_orders_knows_better()
{
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let id = cluster.client(0).await.status().await.unwrap().cluster_id.to_string();
    let url = &cluster.members[0].place.client_url;
    let archive = Archive::in_a_folder();
    let site = Site::of(&cluster, &archive, 1, 0);
    site.change("etcdClusterId", json!("beef"));
    let running = site.start(&archive, &[]).await;

    let told = site.wait("it is told", |status| status.failing.is_some()).await;
    let failing = told.failing.unwrap();
    let sentence =
        format!("{url} is etcd cluster {id}, and these are the backups of etcd cluster beef");
    assert_eq!(failing.reason, "OtherCluster");
    assert!(failing.message.contains(&sentence), "{}", failing.message);
    assert_eq!(site.get("/v1/backupnow").await.status, 500);
    let order = async |name: &str, order: serde_json::Value| {
        let path = format!("/v1/requests/{name}?wait=30s");
        site.ask(Method::PUT, &path, &order.to_string()).await.json::<BackupRequest>()
    };
    // A survivor is saved whatever the file says, unless the order says that it is none.
    let named = json!({"reason": "before-recovery", "member": url, "etcdClusterId": "beef"});
    let refused = order("refused", named).await;
    assert_eq!(format!("{:?}", refused.state), "Failed");
    assert!(refused.message.unwrap().contains(&sentence));
    assert_eq!(archive.ids().await.len(), 0);
    for (number, (reason, said)) in
        [("before-recovery", None), ("before-recovery", Some(&id)), ("final", Some(&id))]
            .into_iter()
            .enumerate()
    {
        let ordered = json!({"reason": reason, "etcdClusterId": said});
        let stored = order(&format!("o-{number}"), ordered).await;
        assert!(stored.backup.is_some(), "{reason} {said:?}: {stored:?}");
    }

    site.change("etcdClusterId", json!(id));
    cluster.client(0).await.put(b"/fig", b"leaf").await.unwrap();
    site.wait("it goes on by itself", |status| status.failing.is_none() && status.backups == 4)
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_among_the_addresses_is_passed_over() {
    let (ours, other) =
        tokio::join!(Cluster::start(Version::V3_6, 1), Cluster::start(Version::V3_6, 1));
    let id = |cluster: &Cluster| cluster.members[0].place.client_url.clone();
    let archive = Archive::in_a_folder();
    let site = Site::new(&archive, &[id(&other), id(&ours)], 1, 0);
    let ours = ours.client(0).await.status().await.unwrap();
    site.change("etcdClusterId", json!(ours.cluster_id.to_string()));
    let running = site.start(&archive, &[]).await;
    site.wait("it is backed up", |status| status.backups == 1).await;
    assert_eq!(
        site.backups().await[0]
            .etcd_cluster_id
            .as_deref()
            .map(|id| id.trim_start_matches('0').to_owned()),
        Some(ours.cluster_id.to_string())
    );
    running.stop().await;
}
