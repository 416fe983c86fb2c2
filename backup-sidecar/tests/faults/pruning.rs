//! Retention that is killed between a manifest and its data.

use testbed::{cluster::Cluster, programs::Version, s3::Server, until};

use crate::{
    harness::Archive,
    proxy::{Deed, Proxy, is},
};

fn is_data(head: &str) -> bool {
    is(head, "delete", "data.db.gz")
}

#[tokio::test]
async fn a_prune_that_is_killed_leaves_no_half_backup_in_the_list_and_the_next_goes_on() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    let client = cluster.client(0).await;
    for value in ["a", "b", "c", "d"] {
        client.put(b"plum", value.as_bytes()).await.unwrap();
        archive.take(&cluster, &[]).await;
    }
    let all = archive.ids().await;
    let slow = |head: &str| if is_data(head) { Deed::Slow(1) } else { Deed::Pass };
    let proxy = Proxy::start(&server, slow);
    let words = ["prune", "--keep-last", "1"];
    let mut command = archive.command(&words);
    let mut child = command.env("ETCD_BACKUP_STORE", proxy.url("plums")).spawn().unwrap();
    until("a manifest is gone", async || proxy.has_seen(is_data).then_some(())).await;
    child.kill().await.unwrap();

    let left = archive.ids().await;
    assert!(left.len() < all.len() && left[0] == all[0], "{left:?}");
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0), "what is listed is whole");
    assert_eq!(archive.run(&words).await.code, Some(0));
    assert_eq!(archive.ids().await, all[..1]);
}
