//! Recoveries during which the operator, the sidecar or a node goes. They run one after the other, as
//! all that disturbs other scenarios does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tests::localkube::Node as Machine;
use tests::scenario::{
    Look, PATIENCE, Place, Sandbox, TestCluster, holds_for, operator, request, until,
};

use super::recovered;
use crate::kept::{backup_of, filled_in, keys, kill_all, same_keys};

/// Whoever works is killed at every stage of a recovery, and so is the sidecar: one recovery from what a
/// survivor holds, on a volume, and one from a backup in a bucket, side by side.
#[tokio::test]
async fn killed_at_every_stage_the_recovery_goes_on() -> Result<()> {
    Sandbox::run("recovery-killed", async |sandbox| {
        let bucket = Place::bucket(sandbox).await?;
        let (left, gone) = tokio::try_join!(
            Box::pin(filled_in(sandbox, "left", 3, &Place::Volume)),
            Box::pin(filled_in(sandbox, "gone", 1, &bucket)),
        )?;
        backup_of(sandbox, "gone", "last", &json!({})).await?;
        let before = tokio::try_join!(keys(&left), keys(&gone))?;
        let whole = left.whole(3).await?;
        let survivor = whole.leader()?.name_any();
        let lost = whole.pods.iter().filter(|pod| pod.name_any() != survivor).cloned();
        kill_all(&left, &lost.collect::<Vec<_>>()).await?;
        kill_all(&gone, &gone.whole(1).await?.pods).await?;
        for (what, is_so) in stages() {
            // Of whichever comes first: the other is never far.
            tokio::select! {
                seen = left.until(what, PATIENCE, is_so) => seen.map(drop)?,
                seen = gone.until(what, PATIENCE, is_so) => seen.map(drop)?,
            }
            let who = operator::crash(&sandbox.kube, &sandbox.client).await?;
            sandbox.say(&format!("{what}: {who} is dead, and the sidecars restart"));
            restart_sidecars(sandbox).await?;
        }
        recovered(sandbox, &left, 3).await?;
        recovered(sandbox, &gone, 1).await?;
        same_keys(&left, &before.0).await?;
        same_keys(&gone, &before.1).await
    })
    .await
}

/// Each holds from its moment on, however quickly the next comes.
type Stage = (&'static str, fn(&ClusterStatus) -> bool);

fn stages() -> [Stage; 3] {
    [
        ("the recovery is begun", |status| status.recoveries == 1),
        ("the backup is chosen", |status| {
            let chosen = status.restore.as_ref().and_then(|restore| restore.backup.as_ref());
            chosen.is_some() || status.last_restore.is_some()
        }),
        ("the first member serves", |status| status.last_restore.is_some()),
    ]
}

async fn restart_sidecars(sandbox: &Sandbox) -> Result<()> {
    let pods: Api<Pod> = sandbox.api();
    let of_sidecar = ListParams::default().labels("app=etcd_backup_tool");
    for pod in request(pods.list(&of_sidecar)).await? {
        request(pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0))).await?;
    }
    Ok(())
}

/// A majority is on a node that is cut off, and its pods are even force-deleted: it may still run there,
/// so nothing is done. Once the node is back without them they are gone, and the survivor is saved. The
/// first member of the recovery is on that node when its power fails.
#[tokio::test]
async fn a_majority_on_a_node_that_is_away_is_not_lost_until_the_node_is_back_without_it()
-> Result<()> {
    Sandbox::run("recovery-away", async |sandbox| {
        sandbox.kube.mend(n3()).await?;
        ready(sandbox).await?;
        let cluster = two_on_n3(sandbox).await?;
        let before = keys(&cluster).await?;
        let whole = cluster.whole(3).await?;
        sandbox.kube.cut(n3()).await?;
        let outcome = Box::pin(while_cut(sandbox, &cluster, &whole.pods)).await;
        sandbox.kube.mend(n3()).await?;
        outcome?;
        sandbox.say("the node is back");
        ready(sandbox).await?;
        let is_begun = |status: &ClusterStatus| {
            status.restore.as_ref().is_some_and(|restore| restore.backup.is_some())
        };
        cluster.until("the backup is chosen", PATIENCE, is_begun).await?;
        until("the first member is on n3", PATIENCE, async || {
            let pods = cluster.pods().await?;
            Ok(Look::claim(pods.iter().any(on_n3), || "it is not".into()))
        })
        .await?;
        let killed = sandbox.kube.kill_node(n3()).await;
        sandbox.say("the node's power fails");
        sandbox.kube.start_node(n3()).await?;
        killed?;
        ready(sandbox).await?;
        recovered(sandbox, &cluster, 3).await?;
        same_keys(&cluster, &before).await
    })
    .await
}

async fn while_cut(sandbox: &Sandbox, cluster: &TestCluster, pods: &[Pod]) -> Result<()> {
    cluster.phase(Phase::NoQuorum).await?;
    sandbox.say("no quorum");
    let there = pods.iter().filter(|pod| on_n3(pod)).cloned();
    kill_all(cluster, &there.collect::<Vec<_>>()).await?;
    holds_for("nothing is done", Duration::from_secs(15), async || {
        let status = cluster.status().await?;
        ensure!(status.phase == Some(Phase::NoQuorum), "{:?}: {:?}", status.phase, status.message);
        ensure!(status.recoveries == 0, "a recovery was begun");
        Ok(())
    })
    .await
}

/// One member elsewhere, two on n3.
async fn two_on_n3(sandbox: &Sandbox) -> Result<TestCluster> {
    let cluster = filled_in(sandbox, "kv", 1, &Place::Volume).await?;
    // By affinity, which the sidecar does not heed; its volume keeps it where it is.
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n3"]}]}]}}});
    cluster.change(json!({"size": 3, "pod": {"nodeSelector": null, "affinity": affinity}})).await?;
    let whole = cluster.whole(3).await?;
    ensure!(whole.pods.iter().filter(|pod| on_n3(pod)).count() == 2, "not two are on n3");
    Ok(cluster)
}

fn on_n3(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some("n3")
}

fn n3() -> Machine {
    Machine::first(3).last().unwrap_or(Machine::FIRST)
}

async fn ready(sandbox: &Sandbox) -> Result<()> {
    let nodes: Api<Node> = Api::all(sandbox.client.clone());
    until("n3 is Ready", PATIENCE, async || {
        let status = request(nodes.get("n3")).await?.status.context("no status")?;
        let mut conditions = status.conditions.iter().flatten();
        let is_ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
        Ok(Look::claim(is_ready, || "it is not".into()))
    })
    .await
}
