//! The data of a majority is gone: the cluster comes back from its backups by itself, with every key,
//! or says why it does not and keeps everything.

mod again;
mod beside;
mod disturbing;
mod odd;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase, RestoreCause};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Place, Sandbox, TestCluster, holds_for, request, until};

use crate::kept::{backup_now, filled_in, in_a_bucket, keys, kill_all, on_a_volume, same_keys};

/// Revisions after a restore are beyond this.
const LEAP: i64 = 1_000_000_000;
/// The annotation by which a person approves, as the documentation names it.
const APPROVAL: &str = "etcd.coreos.com/recover";

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
    on_a_volume("all-lost", all_lost).await
}

/// Seed test A11: the same with a bucket.
#[tokio::test]
async fn all_members_lost_every_key_is_back_from_the_bucket() -> Result<()> {
    in_a_bucket("all-lost-s3", all_lost).await
}

async fn all_lost(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = filled_in(sandbox, "kv", 3, place).await?;
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

/// Seed test A8: two of three are gone, while somebody writes. What was acknowledged is back.
#[tokio::test]
async fn a_survivor_is_saved_first_and_its_last_write_is_back() -> Result<()> {
    on_a_volume("survivor", survivor).await
}

/// Seed test A10: the same with a bucket.
#[tokio::test]
async fn a_survivor_is_saved_into_the_bucket_first_and_its_last_write_is_back() -> Result<()> {
    in_a_bucket("survivor-s3", survivor).await
}

async fn survivor(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = filled_in(sandbox, "kv", 3, place).await?;
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

/// The newest backup is damaged, so the one before it comes back. Then all are.
#[tokio::test]
async fn damaged_backups_are_refused_until_one_is_sound_and_with_none_nothing_starts_empty()
-> Result<()> {
    on_a_volume("damaged", damaged).await
}

/// The same with a bucket.
#[tokio::test]
async fn damaged_backups_in_a_bucket_are_refused_and_with_none_nothing_starts_empty() -> Result<()>
{
    in_a_bucket("damaged-s3", damaged).await
}

async fn damaged(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = filled_in(sandbox, "kv", 1, place).await?;
    let good = backup_now(sandbox, "good").await?.status.unwrap_or_default();
    let before = keys(&cluster).await?;
    cluster.client().await?.put(b"fill/later", b"1").await?;
    let bad = backup_now(sandbox, "bad").await?.status.unwrap_or_default();
    let bad = bad.id.context("no id")?;
    place.turn_bits(sandbox, &cluster, |start| bad.ends_with(start)).await?;
    let pods = cluster.whole(1).await?.pods;
    kill_all(&cluster, &pods).await?;
    let status = recovered(sandbox, &cluster, 1).await?;
    same_keys(&cluster, &before).await?;
    let last = status.last_restore.context("no restore")?;
    ensure!(Some(&last.backup.id) == good.id.as_ref(), "{last:?}");
    let message = last.message.unwrap_or_default();
    ensure!(message.contains(&bad), "the refused one is not named: {message}");

    backup_now(sandbox, "last").await?;
    place.turn_bits(sandbox, &cluster, |start| !bad.ends_with(start)).await?;
    all_damaged(sandbox, place, &cluster).await?;
    sandbox.say("a person brings the backups back");
    place.turn_bits(sandbox, &cluster, |_| true).await?;
    let again = |status: &ClusterStatus| {
        status.recoveries == 2 && status.restore.is_none() && status.phase == Some(Phase::Running)
    };
    cluster.until("restored", PATIENCE, again).await?;
    same_keys(&cluster, &before).await
}

/// With nothing to restore everything is kept, and nothing starts empty.
async fn all_damaged(sandbox: &Sandbox, place: &Place, cluster: &TestCluster) -> Result<()> {
    let stored = place.archive(sandbox, cluster).await?;
    let pods = cluster.whole(1).await?.pods;
    kill_all(cluster, &pods).await?;
    let status = cluster.phase(Phase::Unrecoverable).await?;
    let message = status.message.unwrap_or_default();
    sandbox.say(&message);
    ensure!(message.contains("everything is kept"), "{message}");
    cluster.condition(api::condition::UNRECOVERABLE).await?;
    holds_for("no member that serves", Duration::from_secs(5), async || {
        let pods = cluster.pods().await?;
        ensure!(pods.iter().all(|pod| !tests::scenario::is_ready(pod)), "one is ready");
        Ok(())
    })
    .await?;
    let kept = place.archive(sandbox, cluster).await?;
    ensure!(kept.is_superset(&stored), "of {stored:?} only {kept:?} is left");
    Ok(())
}

/// `quorumLoss: Manual`: the plan is told, and a person lets it go on with what it says.
#[tokio::test]
async fn with_manual_a_person_lets_the_recovery_go_on() -> Result<()> {
    on_a_volume("manual", async |sandbox, place| {
        let cluster = filled_in(sandbox, "kv", 1, place).await?;
        cluster.change(json!({"recovery": {"quorumLoss": "Manual"}})).await?;
        backup_now(sandbox, "last").await?;
        let before = keys(&cluster).await?;
        let pods = cluster.whole(1).await?.pods;
        kill_all(&cluster, &pods).await?;
        let value = wants_approval(sandbox, &cluster).await?;
        holds_for("nothing is made", Duration::from_secs(8), async || {
            ensure!(cluster.pods().await?.is_empty(), "there is a pod");
            Ok(())
        })
        .await?;
        approve(sandbox, &cluster, &value).await?;
        recovered(sandbox, &cluster, 1).await?;
        same_keys(&cluster, &before).await
    })
    .await
}

/// Waits until the status tells the plan, and returns the value that approves it.
async fn wants_approval(sandbox: &Sandbox, cluster: &TestCluster) -> Result<String> {
    let told = cluster
        .until("the plan", PATIENCE, |status| {
            let message = status.message.as_deref().unwrap_or_default();
            status.phase == Some(Phase::QuorumLost) && message.contains(APPROVAL)
        })
        .await?;
    let message = told.message.unwrap_or_default();
    sandbox.say(&message);
    let wanted = message.split(&format!("{APPROVAL}=")).nth(1).context("no value")?;
    Ok(wanted.split('`').next().context("no end")?.to_owned())
}

async fn approve(sandbox: &Sandbox, cluster: &TestCluster, value: &str) -> Result<()> {
    let clusters: Api<api::v1beta1::Cluster> = sandbox.api();
    let patch = json!({"metadata": {"annotations": {APPROVAL: value}}});
    let patch = Patch::Merge(patch);
    request(clusters.patch(&cluster.name, &PatchParams::default(), &patch)).await.map(drop)
}
