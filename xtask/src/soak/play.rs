//! The courses themselves. Each compares every key with what etcd says of it: value, create and mod revision,
//! version, lease.

use ::tests::keys::{kept, same};
use ::tests::localkube::ProcessFault;
use ::tests::scenario::kept::{backup_now, deleted, kill_all};
use ::tests::scenario::{Look, Place, TestCluster, request, until};
use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, LastRestoreStatus, RestoreCause};
use etcd::KeyValue;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::course::End;
use super::stage::{PATIENCE, Stage};

/// Revisions after a recovery are beyond this.
const LEAP: i64 = 1_000_000_000;

/// Seed test A9.
pub(super) async fn all_lost(stage: &Stage<'_>) -> Result<End> {
    let cluster = stage.filled(3).await?;
    let writer = cluster.writer();
    writer.advances(30).await?;
    let backup = backup_now(stage.sandbox, "last").await?.status.unwrap_or_default();
    writer.advances(5).await?;
    let pods = cluster.whole_within(3, PATIENCE).await?.pods;
    let before = all_keys(&cluster).await?;
    drop(writer);
    stage.strike();
    stage.sandbox.say("all members go");
    lose(stage, &cluster, &pods).await?;
    let last = recovered(stage, &cluster, 3).await?;
    ensure!(Some(&last.backup.id) == backup.id.as_ref(), "another backup: {last:?}");
    same(&until_revision(before, last.backup.revision), &all_keys(&cluster).await?)?;
    Ok((cluster, 3))
}

/// Seed test A10: somebody writes all the time, and what was acknowledged is back.
pub(super) async fn some_left(stage: &Stage<'_>, size: usize, left: usize) -> Result<End> {
    let cluster = stage.filled(size).await?;
    let before = all_keys(&cluster).await?;
    let writer = cluster.writer();
    writer.advances(30).await?;
    let pods = cluster.whole_within(size, PATIENCE).await?.pods;
    let lost = pods.get(left..).unwrap_or_default();
    stage.strike();
    stage.sandbox.say(&format!("{} members go, {left} are left", lost.len()));
    lose(stage, &cluster, lost).await?;
    recovered(stage, &cluster, size).await?;
    writer.advances(20).await?;
    writer.finish().await?;
    kept(&before, &all_keys(&cluster).await?)?;
    Ok((cluster, size))
}

/// Seed test A11.
pub(super) async fn damaged(stage: &Stage<'_>) -> Result<End> {
    let cluster = stage.filled(1).await?;
    let good = backup_now(stage.sandbox, "good").await?.status.unwrap_or_default();
    let before = all_keys(&cluster).await?;
    cluster.client().await?.put(b"fill/later", b"1").await?;
    let bad = backup_now(stage.sandbox, "bad").await?.status.unwrap_or_default();
    let bad = bad.id.context("the backup has no ID")?;
    stage.place.turn_bits(stage.sandbox, &cluster, |folder| bad.ends_with(folder)).await?;
    let pods = cluster.whole_within(1, PATIENCE).await?.pods;
    stage.strike();
    lose(stage, &cluster, &pods).await?;
    let last = recovered(stage, &cluster, 1).await?;
    ensure!(Some(&last.backup.id) == good.id.as_ref(), "another backup: {last:?}");
    let message = last.message.unwrap_or_default();
    ensure!(message.contains(&bad), "the refused one is not named: {message}");
    same(&before, &all_keys(&cluster).await?)?;
    Ok((cluster, 1))
}

/// Seed test A14.
pub(super) async fn by_name(stage: &Stage<'_>) -> Result<End> {
    let old = stage.filled(3).await?;
    let writer = old.writer();
    writer.advances(30).await?;
    writer.finish().await?;
    let before = all_keys(&old).await?;
    deleted(stage.sandbox, &old).await?;
    stage.strike();
    stage.sandbox.say("the old one is gone");
    let restore = json!({"backupClusterName": "kv", "storageType": storage_type(stage.place)});
    let new = stage.cluster("kv", json!({"size": 3, "restore": restore})).await?;
    restored(stage, &new, 3).await?;
    same(&before, &all_keys(&new).await?)?;
    Ok((new, 3))
}

/// Seed test A15.
pub(super) async fn other_name(stage: &Stage<'_>) -> Result<End> {
    let source = stage.filled(1).await?;
    let before = all_keys(&source).await?;
    backup_now(stage.sandbox, "monday").await?;
    stage.strike();
    let restore = json!({"backupClusterName": "kv", "storageType": storage_type(stage.place)});
    let copy = stage.cluster("copy", json!({"size": 1, "restore": restore})).await?;
    restored(stage, &copy, 1).await?;
    same(&before, &all_keys(&copy).await?)?;
    source.whole_within(1, PATIENCE).await?;
    same(&before, &all_keys(&source).await?)?;
    Ok((copy, 1))
}

/// Kills these members, and deletes their pods. A deleted pod runs on for a moment, in which the operator
/// could replace one after the other: then nothing would be lost.
async fn lose(stage: &Stage<'_>, cluster: &TestCluster, pods: &[Pod]) -> Result<()> {
    let kube = &stage.sandbox.kube;
    let ends = pods.iter().map(|pod| cluster.fault(kube, pod, ProcessFault::Kill));
    try_join_all(ends).await?;
    kill_all(cluster, pods).await
}

/// Waits until a recovery is over and the cluster is whole.
async fn recovered(
    stage: &Stage<'_>,
    cluster: &TestCluster,
    size: usize,
) -> Result<LastRestoreStatus> {
    let is_over =
        |status: &ClusterStatus| status.last_restore.is_some() && status.restore.is_none();
    let over = async { cluster.until("restored", PATIENCE, is_over).await.map(drop) };
    tokio::try_join!(over, stage.attend())?;
    stage.sandbox.say("the first member serves");
    let status = cluster.whole_within(size, PATIENCE).await?.status;
    stage.sandbox.say("it is whole");
    let last = status.last_restore.context("no restore is told")?;
    ensure!(last.cause == RestoreCause::Recovery, "{last:?}");
    ensure!(last.revision > LEAP, "revisions were not raised: {last:?}");
    Ok(last)
}

/// Waits until a new cluster serves what its spec names, and its reader is gone.
async fn restored(stage: &Stage<'_>, cluster: &TestCluster, size: usize) -> Result<()> {
    let serves =
        async { cluster.until("it serves", PATIENCE, |status| status.served).await.map(drop) };
    tokio::try_join!(serves, stage.attend())?;
    // Its own volume is claimed once it serves.
    stage.place.open(stage.sandbox, &cluster.name).await?;
    let status = cluster.whole_within(size, PATIENCE).await?.status;
    let last = status.last_restore.context("no restore is told")?;
    ensure!(last.cause == RestoreCause::Manual, "{last:?}");
    until("no reader any more", PATIENCE, async || {
        let pods: kube::Api<Pod> = stage.sandbox.api();
        let reader = format!("{}-restore-reader", cluster.name);
        let there = request(pods.get_opt(&reader)).await?;
        Ok(Look::claim(there.is_none(), || "its pod".into()))
    })
    .await
}

/// Everything that is in a cluster.
async fn all_keys(cluster: &TestCluster) -> Result<Vec<KeyValue>> {
    let client = Box::pin(cluster.client()).await?;
    Ok(Box::pin(client.get_prefix(b"")).await?)
}

/// What a backup of this revision holds of keys that were changed no more.
fn until_revision(keys: Vec<KeyValue>, revision: i64) -> Vec<KeyValue> {
    keys.into_iter().filter(|key| key.mod_revision <= revision).collect()
}

fn storage_type(place: &Place) -> &'static str {
    match place {
        Place::Volume => "PersistentVolume",
        Place::Bucket(_) => "S3",
    }
}
