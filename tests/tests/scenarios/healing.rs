//! Members fail; the cluster serves and is made whole again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Health, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;
use tests::localkube::ProcessFault;
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, Whole, holds_for, until};

#[tokio::test]
async fn a_member_whose_pod_is_gone_is_replaced_under_a_new_number() -> Result<()> {
    Sandbox::run("heal", async |sandbox| {
        let cluster = sandbox.cluster("heal", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let writer = cluster.writer();
        let leader = before.leader()?;

        cluster.kill(leader).await?;

        let after = cluster.whole(3).await?;
        let lost = leader.name_any();
        ensure!(!after.names().contains(&lost), "{lost} came back without its data");
        let kept = before.names().intersection(&after.names()).count();
        ensure!(kept == 2, "{kept} of the two others are left");
        let same = before.list.cluster_id == after.list.cluster_id;
        ensure!(same, "it is another etcd cluster");
        writer.finish().await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_member_whose_process_hangs_is_named_restarted_and_kept() -> Result<()> {
    Sandbox::run("hang", async |sandbox| {
        let cluster = sandbox.cluster("hang", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let hung = before.follower()?;
        let name = hung.name_any();

        cluster.fault(&sandbox.kube, hung, ProcessFault::Stop).await?;

        let status = cluster
            .until("the status names the hung member", PATIENCE, |status| {
                let unready = status.members.as_ref().is_some_and(|m| m.unready == [name.clone()]);
                unready && status.phase == Some(Phase::Healing)
            })
            .await?;
        let row = status.member_statuses.iter().find(|row| row.name == name);
        let row = row.context("the hung member has no row")?;
        ensure!(row.health == Health::Unhealthy && row.message.is_some(), "{row:?}");
        sandbox.say("the status tells");
        // Liveness takes three failed probes, and a stopped process outlasts its grace period.
        restarted(&cluster, &name, Duration::from_mins(4)).await?;
        let after = cluster.whole(3).await?;
        ensure!(after.list.members == before.list.members, "the membership changed");
        Ok(())
    })
    .await
}

async fn restarted(cluster: &TestCluster, pod: &str, limit: Duration) -> Result<()> {
    until(&format!("a restart of {pod}"), limit, async || {
        let pod = cluster.pod(pod).await?;
        let restarts = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
        let restarts: i32 = restarts.map(|container| container.restart_count).sum();
        Ok(Look::claim(restarts > 0, || format!("{restarts} restarts")))
    })
    .await
}

#[tokio::test]
async fn a_member_whose_process_dies_goes_on_with_its_data() -> Result<()> {
    Sandbox::run("crash", async |sandbox| {
        let cluster = sandbox.cluster("crash", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let writer = cluster.writer();

        for pod in [before.leader()?, before.follower()?] {
            cluster.fault(&sandbox.kube, pod, ProcessFault::Kill).await?;
            restarted(&cluster, &pod.name_any(), PATIENCE).await?;
            writer.advances(10).await?;
        }

        let after = cluster.whole(3).await?;
        ensure!(after.list.members == before.list.members, "the membership changed");
        writer.finish().await.map(drop)
    })
    .await
}

/// Each look at one of them lasts as long as a call may. Were clusters looked at one after the other,
/// each of the many looks that a new cluster takes would wait for all of theirs.
#[tokio::test]
async fn clusters_whose_members_hang_do_not_delay_another() -> Result<()> {
    Sandbox::run("hole", async |sandbox| {
        let mut holes = Vec::new();
        for number in 0..HOLES {
            holes.push(sandbox.cluster(&format!("hole-{number}"), json!({"size": 1})).await?);
        }
        let before = all_whole(&holes).await?;
        for (hole, whole) in holes.iter().zip(&before) {
            hole.fault(&sandbox.kube, whole.leader()?, ProcessFault::Stop).await?;
        }
        for hole in &holes {
            hole.phase(Phase::NoQuorum).await?;
        }
        sandbox.say("nobody answers");

        let other = sandbox.cluster("other", json!({"size": 3})).await?;
        other.whole(3).await?;

        sandbox.say("the other cluster is there");
        for (hole, whole) in holes.iter().zip(&before) {
            // Liveness may have restarted it by now, and then there is nothing to continue.
            drop(hole.fault(&sandbox.kube, whole.leader()?, ProcessFault::Continue).await);
        }
        let after = all_whole(&holes).await?;
        for (before, after) in before.iter().zip(&after) {
            ensure!(after.list.members == before.list.members, "the membership changed");
        }
        Ok(())
    })
    .await
}

/// A person takes two of three out of the services, or a policy rewrites labels.
#[tokio::test]
async fn members_whose_labels_are_taken_off_are_named_and_never_counted_as_lost() -> Result<()> {
    Sandbox::run("relabel", async |sandbox| {
        let cluster = sandbox.cluster("plain", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let taken = [before.leader()?.name_any(), before.follower()?.name_any()];
        for (pod, label) in taken.iter().zip(["etcd_cluster-", "app-"]) {
            sandbox.kubectl(&["label", "pod", pod, label], "").await?;
        }

        let words = "labels app, etcd_cluster";
        cluster
            .until("the message names both", PATIENCE, |status| {
                let message = status.message.clone().unwrap_or_default();
                message.contains(words) && taken.iter().all(|name| message.contains(name))
            })
            .await?;
        holds_for("the members and pods as they were", Duration::from_secs(15), async || {
            let members = Box::pin(cluster.members()).await?.members;
            ensure!(members == before.list.members, "the membership changed: {members:?}");
            let uids = |pods: &[Pod]| pods.iter().map(ResourceExt::uid).collect::<Vec<_>>();
            ensure!(uids(&cluster.pods().await?) == uids(&before.pods), "the pods changed");
            Ok(())
        })
        .await?;

        for (pod, label) in taken.iter().zip(["etcd_cluster=plain", "app=etcd"]) {
            sandbox.kubectl(&["label", "pod", pod, label], "").await?;
        }
        let after = cluster.whole(3).await?;
        ensure!(after.list.members == before.list.members, "the membership changed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_member_that_crash_loops_is_replaced_when_its_time_is_over_and_not_before() -> Result<()>
{
    Sandbox::run("loops", async |sandbox| {
        let spec = json!({"size": 3, "recovery": {"replaceAfter": "30s"}});
        let cluster = sandbox.cluster("loops", spec).await?;
        let before = cluster.whole(3).await?;
        let writer = cluster.writer();
        let victim = before.follower()?.name_any();

        let began = Instant::now();
        until("the member is replaced", Duration::from_mins(5), async || {
            let Ok(pod) = cluster.pod(&victim).await else { return Ok(Look::Is(())) };
            // Between two tries of the kubelet there is nothing to kill.
            drop(cluster.fault(&sandbox.kube, &pod, ProcessFault::Kill).await);
            Ok(Look::NotYet("it is killed again and again".into()))
        })
        .await?;

        let took = began.elapsed();
        ensure!(took > Duration::from_secs(29), "it was replaced after {took:?}");
        let after = cluster.whole(3).await?;
        ensure!(!after.names().contains(&victim), "{victim} came back");
        let kept = before.names().intersection(&after.names()).count();
        ensure!(kept == 2, "{kept} of the two others are left");
        writer.finish().await.map(drop)
    })
    .await
}

/// So many that, were clusters looked at one after the other, each step of another one would wait for
/// a quarter of a minute: an endpoint that does not answer is given up after two seconds.
const HOLES: usize = 8;

#[tokio::test]
async fn clusters_whose_endpoints_are_black_holes_do_not_delay_another() -> Result<()> {
    Sandbox::run("black", async |sandbox| {
        let mut holes = Vec::new();
        for number in 0..HOLES {
            holes.push(sandbox.cluster(&format!("black-{number}"), json!({"size": 1})).await?);
        }
        let before = all_whole(&holes).await?;
        for (hole, whole) in holes.iter().zip(&before) {
            hole.black_hole(&sandbox.kube, whole.leader()?, true).await?;
        }
        for hole in &holes {
            hole.phase(Phase::NoQuorum).await?;
        }
        sandbox.say("no packet comes through");

        let other = sandbox.cluster("clear", json!({"size": 5})).await?;
        other.whole(5).await?;

        sandbox.say("the other cluster is there");
        for (hole, whole) in holes.iter().zip(&before) {
            let status = hole.status().await?;
            ensure!(status.phase == Some(Phase::NoQuorum), "the packets come through");
            hole.black_hole(&sandbox.kube, whole.leader()?, false).await?;
        }
        let lists = |all: &[Whole]| all.iter().map(|one| one.list.clone()).collect::<Vec<_>>();
        let after = all_whole(&holes).await?;
        ensure!(lists(&after) == lists(&before), "the membership changed");
        Ok(())
    })
    .await
}

async fn all_whole(clusters: &[TestCluster]) -> Result<Vec<Whole>> {
    let mut all = Vec::new();
    for cluster in clusters {
        all.push(cluster.whole(1).await?);
    }
    Ok(all)
}
