//! More members and fewer.

use anyhow::{Result, ensure};
use api::v1beta1::Health;
use kube::ResourceExt;
use serde_json::json;
use tests::localkube::ProcessFault;
use tests::scenario::{PATIENCE, Sandbox};

#[tokio::test]
async fn kubectl_scale_grows_three_to_five() -> Result<()> {
    Sandbox::run("grow", async |sandbox| {
        let cluster = sandbox.cluster("grow", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let writer = cluster.writer();

        sandbox.kubectl(&["scale", "--replicas=5", "clusters.etcd.coreos.com/grow"], "").await?;

        let after = cluster.whole(5).await?;
        ensure!(after.names().is_superset(&before.names()), "a member was lost on the way");
        writer.finish().await.map(drop)
    })
    .await
}

#[tokio::test]
async fn kubectl_edit_and_apply_shrink_five_to_three_to_one() -> Result<()> {
    Sandbox::run("shrink", async |sandbox| {
        let cluster = sandbox.cluster("shrink", json!({"size": 5})).await?;
        let before = cluster.whole(5).await?;
        let writer = cluster.writer();

        edit_size(sandbox, "shrink", 3).await?;
        let after = cluster.whole(3).await?;
        ensure!(after.names().is_subset(&before.names()), "members were replaced on the way");

        // With kubectl apply as the seed's users did, on top of what others wrote.
        let manifest = json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
            "metadata": {"name": "shrink"}, "spec": {"size": 1},
        });
        sandbox.kubectl(&["apply", "-f", "-"], &manifest.to_string()).await?;
        cluster.whole(1).await?;
        writer.finish().await.map(drop)
    })
    .await
}

/// `kubectl edit` with an editor that changes the size.
async fn edit_size(sandbox: &Sandbox, name: &str, size: u8) -> Result<()> {
    let editor = format!("sed -i s/size:.*/size:\\ {size}/");
    let mut kubectl = tests::command::command("kubectl");
    kubectl.env("KUBE_EDITOR", editor).args(["--namespace", sandbox.namespace()]);
    kubectl.args(["edit", &format!("clusters.etcd.coreos.com/{name}")]);
    tests::command::run(&mut kubectl, std::time::Duration::from_secs(30)).await?;
    Ok(())
}

#[tokio::test]
async fn seven_to_one_to_seven_loses_no_acknowledged_write() -> Result<()> {
    Sandbox::run("seven", async |sandbox| {
        let cluster = sandbox.cluster("week", json!({"size": 7})).await?;
        cluster.whole(7).await?;
        sandbox.say("seven members");
        let writer = cluster.writer();
        writer.advances(20).await?;

        cluster.change(json!({"size": 1})).await?;
        cluster.whole(1).await?;
        sandbox.say("one member");
        writer.advances(20).await?;

        cluster.change(json!({"size": 7})).await?;
        cluster.whole(7).await?;
        sandbox.say("seven members again");
        writer.advances(20).await?;
        writer.finish().await.map(drop)
    })
    .await
}

#[tokio::test]
async fn shrinking_takes_the_member_that_is_not_healthy() -> Result<()> {
    Sandbox::run("ill", async |sandbox| {
        let cluster = sandbox.cluster("ill", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        // Of two healthy followers the one with the higher number would go.
        let ill = whole.follower()?;
        let ill_name = ill.name_any();
        cluster.fault(&sandbox.kube, ill, ProcessFault::Stop).await?;
        cluster
            .until("the hung member is seen", PATIENCE, |status| {
                let mut rows = status.member_statuses.iter();
                rows.any(|row| row.name == ill_name && row.health != Health::Healthy)
            })
            .await?;

        cluster.change(json!({"size": 2})).await?;

        let left = cluster.whole(2).await?.names();
        let mut expected = whole.names();
        expected.remove(&ill_name);
        ensure!(left == expected, "{left:?} are left");
        Ok(())
    })
    .await
}
