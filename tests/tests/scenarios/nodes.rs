//! A node is cut off, or comes back without what was on its disk. The node is always n3, from which
//! the other scenarios keep away.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::localkube::Node as Machine;
use tests::scenario::{
    Look, PATIENCE, Sandbox, TestCluster, Whole, away_from, node_of, operator, request, until,
};

#[tokio::test]
async fn a_node_that_is_cut_off_costs_a_member_only_after_replace_after() -> Result<()> {
    Sandbox::run("cut", async |sandbox| {
        on_again(sandbox).await?;
        let (patient, hasty) = tokio::try_join!(
            one_on_each_node(sandbox, "patient"),
            seed_on_n3(sandbox, "hasty", "5s"),
        )?;
        let (before, hasty_before) = tokio::try_join!(patient.whole(3), hasty.whole(3))?;
        let (away, hasty_away) = (on_n3(&before)?, on_n3(&hasty_before)?);

        sandbox.kube.cut(n3()).await?;
        let outcome = while_cut(sandbox, &patient, &hasty, [&away, &hasty_away]);
        let outcome = Box::pin(outcome).await;
        sandbox.kube.mend(n3()).await?;
        outcome?;

        sandbox.say("the node is back");
        let after = patient.whole(3).await?;
        ensure!(after.list.members == before.list.members, "the patient one's members changed");
        ensure!(uids(&after.pods) == uids(&before.pods), "the patient one's pods changed");
        let after = hasty.whole(3).await?;
        ensure!(!after.names().contains(&hasty_away), "the replaced member came back");
        back_in_service(sandbox).await
    })
    .await
}

async fn while_cut(
    sandbox: &Sandbox,
    patient: &TestCluster,
    hasty: &TestCluster,
    [away, hasty_away]: [&String; 2],
) -> Result<()> {
    let words = "node is not ready; it is replaced at";
    patient
        .until("the status says until when it waits", PATIENCE, |status| {
            let message = status.message.as_deref().unwrap_or_default();
            message.contains(away) && message.contains(words)
        })
        .await?;
    sandbox.say("the status tells");
    let writer = patient.writer();
    until("the hasty one has another member", PATIENCE, async || {
        let list = hasty.members().await?;
        let is_gone = !list.members.iter().any(|member| member.name == *hasty_away);
        let voters = list.members.iter().filter(|m| !m.is_learner && !m.name.is_empty()).count();
        Ok(Look::claim(is_gone && voters == 3, || format!("{:?}", list.members)))
    })
    .await?;
    sandbox.say("the hasty one is whole without the node");
    let members = patient.members().await?.members;
    ensure!(members.iter().any(|member| member.name == *away), "the patient one gave up on it");
    writer.finish().await.map(drop)
}

#[tokio::test]
async fn members_that_find_their_data_gone_stay_down_and_are_replaced() -> Result<()> {
    Sandbox::run("wiped", async |sandbox| {
        on_again(sandbox).await?;
        let (later, first) = tokio::try_join!(
            one_on_each_node(sandbox, "later"),
            seed_on_n3(sandbox, "first", "5m"),
        )?;
        let (before, first_before) = tokio::try_join!(later.whole(3), first.whole(3))?;
        let (wiped, wiped_seed) = (on_n3(&before)?, on_n3(&first_before)?);
        ensure!(wiped_seed == "first-0000", "the seed is not on n3");
        let writers = [later.writer(), first.writer()];

        wipe(sandbox, &later, &wiped).await?;
        wipe(sandbox, &first, &wiped_seed).await?;
        let started = sandbox.kube.start_node(n3()).await;
        started.context("starting the node again")?;
        sandbox.say("the node is back, empty");

        for (cluster, before, wiped) in
            [(&later, &before, &wiped), (&first, &first_before, &wiped_seed)]
        {
            is_replaced(cluster, wiped).await?;
            let after = cluster.whole(3).await?;
            ensure!(!after.names().contains(wiped), "{wiped} runs without its data");
            let kept = before.list.cluster_id == after.list.cluster_id;
            ensure!(kept, "{} is another etcd cluster", cluster.name);
            sandbox.say(&format!("{wiped} is replaced"));
        }
        for writer in writers {
            writer.finish().await?;
        }
        back_in_service(sandbox).await
    })
    .await
}

/// Its place is another's; what its data would have been never runs.
async fn is_replaced(cluster: &TestCluster, wiped: &str) -> Result<()> {
    let url = format!("//{wiped}.");
    until(&format!("{wiped} is replaced"), PATIENCE, async || {
        let list = cluster.members().await?;
        let mut urls = list.members.iter().flat_map(|member| &member.peer_urls);
        Ok(Look::claim(!urls.any(|one| one.contains(&url)), || "it is listed".into()))
    })
    .await
}

/// Takes the node's power off, if it still has any, and empties the pod's folders.
async fn wipe(sandbox: &Sandbox, cluster: &TestCluster, pod: &str) -> Result<()> {
    let uid = cluster.pod(pod).await?.uid().context("the pod has no UID")?;
    sandbox.kube.kill_node(n3()).await?;
    let emptied = sandbox.kube.wipe_empty_dirs(n3(), &uid)?;
    ensure!(emptied > 0, "{pod} had no folder to empty");
    Ok(())
}

async fn one_on_each_node(sandbox: &Sandbox, name: &str) -> Result<TestCluster> {
    sandbox.cluster(name, json!({"size": 3, "pod": {"antiAffinity": true}})).await
}

/// The first member on n3, the others elsewhere.
async fn seed_on_n3(sandbox: &Sandbox, name: &str, replace: &str) -> Result<TestCluster> {
    let there: Value = json!({"nodeSelector": {"kubernetes.io/hostname": "n3"}});
    let recovery = json!({"replaceAfter": replace});
    let spec = json!({"size": 1, "pod": there, "recovery": recovery});
    let cluster = sandbox.cluster(name, spec).await?;
    cluster.whole(1).await?;
    let elsewhere = json!({"nodeSelector": null, "affinity": away_from("n3")});
    cluster.change(json!({"size": 3, "pod": elsewhere})).await?;
    Ok(cluster)
}

fn on_n3(whole: &Whole) -> Result<String> {
    let there = whole.pods.iter().find(|pod| node_of(pod).is_ok_and(|node| node == n3()));
    Ok(there.context("no member is on n3")?.name_any())
}

fn n3() -> Machine {
    Machine::first(3).last().unwrap_or(Machine::FIRST)
}

fn uids(pods: &[Pod]) -> Vec<Option<String>> {
    pods.iter().map(ResourceExt::uid).collect()
}

/// A run that was ended in the middle may have left the node off.
async fn on_again(sandbox: &Sandbox) -> Result<()> {
    sandbox.kube.start_node(n3()).await?;
    sandbox.kube.mend(n3()).await?;
    back_in_service(sandbox).await
}

/// Leaves the node and the operator as the next scenario needs them.
async fn back_in_service(sandbox: &Sandbox) -> Result<()> {
    let nodes: Api<Node> = Api::all(sandbox.client.clone());
    until("n3 is Ready", PATIENCE, async || {
        let status = request(nodes.get("n3")).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.iter().flatten();
        let is_ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
        Ok(Look::claim(is_ready, || "it is not".into()))
    })
    .await?;
    operator::leader(&sandbox.client).await.map(drop)
}
