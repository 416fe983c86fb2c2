//! The data of a majority is gone: the cluster comes back from its backups by itself, with every key,
//! or says why it does not and keeps everything.

mod disturbing;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase, RestoreCause};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{Bucket, Look, PATIENCE, Sandbox, TestCluster, holds_for, request, until};

use crate::kept::{
    backup_folder, backup_now, damage, filled, filled_in, keys, kill_all, on_volume, same_keys,
};

/// Revisions after a restore are beyond this.
const LEAP: i64 = 1_000_000_000;

/// Waits until a recovery is over and the cluster is whole, and returns its status.
async fn recovered(sandbox: &Sandbox, cluster: &TestCluster, size: usize) -> Result<ClusterStatus> {
    cluster
        .until("restored", PATIENCE, |status| {
            status.last_restore.is_some() && status.restore.is_none()
        })
        .await?;
    sandbox.say("the first member serves");
    let status = cluster.whole(size).await?.status;
    let last = status.last_restore.clone().context("no restore is told")?;
    ensure!(last.cause == RestoreCause::Recovery, "{last:?}");
    ensure!(last.revision > LEAP, "revisions were not raised: {last:?}");
    sandbox.say(last.message.as_deref().unwrap_or_default());
    Ok(status)
}

/// Seed test A9: all members and their data are gone.
#[tokio::test]
async fn all_members_lost_every_key_of_the_newest_backup_is_back() -> Result<()> {
    Sandbox::run("all-lost", async |sandbox| Box::pin(all_lost(sandbox, on_volume())).await).await
}

/// The same with a bucket.
#[tokio::test]
async fn all_members_lost_every_key_is_back_from_the_bucket() -> Result<()> {
    Sandbox::run("all-lost-s3", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        Box::pin(all_lost(sandbox, bucket.policy())).await
    })
    .await
}

async fn all_lost(sandbox: &Sandbox, policy: Value) -> Result<()> {
    let cluster = filled_in(sandbox, 3, policy).await?;
    let before = keys(&cluster).await?;
    let backup = backup_now(sandbox, "last").await?.status.unwrap_or_default();
    let old = cluster.whole(3).await?;
    cluster.client().await?.put(b"lost/with-the-members", b"1").await?;
    sandbox.say("all members go");
    kill_all(&cluster, &old.pods).await?;
    let status = recovered(sandbox, &cluster, 3).await?;
    same_keys(&cluster, &before).await?;
    let last = status.last_restore.context("no restore")?;
    ensure!(Some(&last.backup.id) == backup.id.as_ref(), "another backup: {last:?}");
    ensure!(status.recoveries == 1, "{} recoveries", status.recoveries);
    let names: Vec<String> = old.pods.iter().map(ResourceExt::name_any).collect();
    let now = cluster.whole(3).await?;
    ensure!(now.names().iter().all(|name| !names.contains(name)), "a name was used twice");
    let unsaved = cluster.client().await?.get(b"lost/with-the-members").await?;
    ensure!(unsaved.is_none(), "a key that no backup holds");
    let condition = status.conditions.iter().find(|one| one.type_ == "Recovering");
    ensure!(condition.is_some_and(|one| one.reason == "Restored"), "{condition:?}");
    served_by_its_service(sandbox, 3).await
}

/// The client service leads to all members again, of which the first was kept out of it.
async fn served_by_its_service(sandbox: &Sandbox, size: usize) -> Result<()> {
    let service: Api<Service> = sandbox.api();
    request(service.get("kv-client")).await?;
    let slices: Api<EndpointSlice> = sandbox.api();
    let of_service = ListParams::default().labels("kubernetes.io/service-name=kv-client");
    until("every member behind the client service", PATIENCE, async || {
        let slices = request(slices.list(&of_service)).await?.items;
        let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
        let ready = endpoints
            .filter(|one| one.conditions.as_ref().is_some_and(|it| it.ready == Some(true)))
            .count();
        Ok(Look::claim(ready == size, || format!("{ready} are")))
    })
    .await
}

/// Seed test A10: two of three are gone, while somebody writes. What was acknowledged is back.
#[tokio::test]
async fn a_survivor_is_saved_first_and_its_last_write_is_back() -> Result<()> {
    Sandbox::run("survivor", async |sandbox| Box::pin(survivor(sandbox, on_volume())).await).await
}

/// The same with a bucket.
#[tokio::test]
async fn a_survivor_is_saved_into_the_bucket_first_and_its_last_write_is_back() -> Result<()> {
    Sandbox::run("survivor-s3", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        Box::pin(survivor(sandbox, bucket.policy())).await
    })
    .await
}

async fn survivor(sandbox: &Sandbox, policy: Value) -> Result<()> {
    let cluster = filled_in(sandbox, 3, policy).await?;
    let before = keys(&cluster).await?;
    let writer = cluster.writer();
    writer.advances(50).await?;
    let whole = cluster.whole(3).await?;
    let survivor = whole.leader()?.name_any();
    let others = whole.pods.iter().filter(|pod| pod.name_any() != survivor).cloned();
    let others: Vec<Pod> = others.collect();
    sandbox.say(&format!("only {survivor} is left"));
    kill_all(&cluster, &others).await?;
    let status = recovered(sandbox, &cluster, 3).await?;
    writer.advances(20).await?;
    writer.finish().await?;
    same_keys(&cluster, &before).await?;
    let last = status.last_restore.context("no restore")?;
    ensure!(last.backup.revision > 150, "not what the survivor held: {last:?}");
    Ok(())
}

/// Seed test A11: the newest backup is damaged, so the one before it comes back, and that is said.
#[tokio::test]
async fn a_damaged_newest_backup_is_refused_and_the_one_before_it_restored() -> Result<()> {
    Sandbox::run("damaged", async |sandbox| {
        let cluster = filled(sandbox, 1).await?;
        let good = backup_now(sandbox, "good").await?.status.unwrap_or_default();
        let before = keys(&cluster).await?;
        cluster.client().await?.put(b"fill/later", b"1").await?;
        let bad = backup_now(sandbox, "bad").await?.status.unwrap_or_default();
        let bad = bad.id.context("no id")?;
        damage(sandbox, &cluster, &bad).await?;
        let pods = cluster.whole(1).await?.pods;
        kill_all(&cluster, &pods).await?;
        let status = recovered(sandbox, &cluster, 1).await?;
        same_keys(&cluster, &before).await?;
        let last = status.last_restore.context("no restore")?;
        ensure!(Some(&last.backup.id) == good.id.as_ref(), "{last:?}");
        let message = last.message.unwrap_or_default();
        ensure!(message.contains(&bad), "the refused one is not named: {message}");
        Ok(())
    })
    .await
}

/// With nothing to restore everything is kept, and nothing starts empty.
#[tokio::test]
async fn with_no_backup_that_can_be_restored_nothing_starts_empty() -> Result<()> {
    Sandbox::run("unrecoverable", async |sandbox| {
        let cluster = filled(sandbox, 1).await?;
        backup_now(sandbox, "only").await?;
        let folder = backup_folder(sandbox, &cluster).await?;
        let entries = std::fs::read_dir(&folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        for id in entries.collect::<Vec<_>>() {
            damage(sandbox, &cluster, &id).await?;
        }
        let pods = cluster.whole(1).await?.pods;
        kill_all(&cluster, &pods).await?;
        let status = cluster.phase(Phase::Unrecoverable).await?;
        let message = status.message.unwrap_or_default();
        sandbox.say(&message);
        ensure!(message.contains("everything is kept"), "{message}");
        let kept = std::fs::read_dir(&folder)?.count();
        ensure!(kept > 0, "the backups are gone");
        cluster.condition(api::condition::UNRECOVERABLE).await?;
        holds_for("no member that serves", Duration::from_secs(10), async || {
            let pods = cluster.pods().await?;
            ensure!(pods.iter().all(|pod| !tests::scenario::is_ready(pod)), "one is ready");
            Ok(())
        })
        .await
    })
    .await
}

/// `quorumLoss: Manual`: the plan is told, and a person lets it go on with what it says.
#[tokio::test]
async fn with_manual_a_person_lets_the_recovery_go_on() -> Result<()> {
    Sandbox::run("manual", async |sandbox| {
        let cluster = filled(sandbox, 1).await?;
        cluster.change(json!({"recovery": {"quorumLoss": "Manual"}})).await?;
        backup_now(sandbox, "last").await?;
        let before = keys(&cluster).await?;
        let pods = cluster.whole(1).await?.pods;
        kill_all(&cluster, &pods).await?;
        let told = cluster
            .until("the plan", PATIENCE, |status| {
                let message = status.message.as_deref().unwrap_or_default();
                status.phase == Some(Phase::QuorumLost) && message.contains(planner_approval())
            })
            .await?;
        let message = told.message.unwrap_or_default();
        sandbox.say(&message);
        holds_for("nothing is made", Duration::from_secs(8), async || {
            ensure!(cluster.pods().await?.is_empty(), "there is a pod");
            Ok(())
        })
        .await?;
        let wanted =
            message.split(&format!("{}=", planner_approval())).nth(1).context("no value")?;
        let value = wanted.split('`').next().context("no end")?;
        let clusters: Api<api::v1beta1::Cluster> = sandbox.api();
        let patch = json!({"metadata": {"annotations": {planner_approval(): value}}});
        request(clusters.patch("kv", &PatchParams::default(), &Patch::Merge(patch))).await?;
        recovered(sandbox, &cluster, 1).await?;
        same_keys(&cluster, &before).await
    })
    .await
}

/// The annotation, as the documentation names it.
fn planner_approval() -> &'static str {
    "etcd.coreos.com/recover"
}
