//! What is deleted, and what is not: clusters, `Backup` objects, and what they record.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::Backup;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Place, Sandbox, TestCluster, request, until};

use super::{CLAIM, backup_now, backups, id_of, recorded};
use crate::kept::{deleted, in_a_bucket, on_a_volume};

#[tokio::test]
async fn on_a_volume_a_backup_goes_with_its_object_only_if_that_says_so() -> Result<()> {
    on_a_volume("delete-volume", objects).await
}

#[tokio::test]
async fn in_a_bucket_a_backup_goes_with_its_object_only_if_that_says_so() -> Result<()> {
    in_a_bucket("delete-bucket", objects).await
}

async fn objects(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = sandbox.cluster("kv", place.spec(&json!({"maxBackups": 0}))).await?;
    place.open(sandbox, "kv").await?;
    cluster.whole(1).await?;
    let stays = backup_now(sandbox, "stays", &json!({})).await?;
    let goes = backup_now(sandbox, "goes", &json!({"deletionPolicy": "Delete"})).await?;
    let api: Api<Backup> = sandbox.api();
    request(api.delete("goes", &DeleteParams::default())).await?;
    let manifest = manifest_of(&goes)?;
    until("the stored backup and its object to be gone", PATIENCE, async || {
        let archive = place.archive(sandbox, &cluster).await?;
        let there = request(api.get_opt("goes")).await?.is_some();
        Ok(Look::claim(!there && !archive.contains(&manifest), || format!("{there}, {archive:?}")))
    })
    .await?;
    sandbox.say("gone");

    let before = place.archive(sandbox, &cluster).await?;
    request(api.delete("stays", &DeleteParams::default())).await?;
    let id = id_of(&stays)?;
    until("another record of what is stored", PATIENCE, async || {
        let is_recorded = recorded(sandbox).await?.contains(&id);
        let there = request(api.get_opt("stays")).await?.is_some();
        Ok(Look::claim(is_recorded && !there, || format!("{is_recorded}, {there}")))
    })
    .await?;
    let after = place.archive(sandbox, &cluster).await?;
    ensure!(after.is_superset(&before), "of {before:?} only {after:?} is left");
    Ok(())
}

/// The path of a backup's manifest in its archive.
fn manifest_of(backup: &Backup) -> Result<String> {
    let id = id_of(backup)?;
    let (revision, start) = id.split_once('-').context("an ID without a time")?;
    Ok(format!("snapshots/{start}/manifest-{revision}.json"))
}

#[tokio::test]
async fn a_deletion_saves_what_was_last_on_a_volume_and_the_next_cluster_sees_it() -> Result<()> {
    on_a_volume("final-volume", generations).await
}

#[tokio::test]
async fn a_deletion_saves_what_was_last_in_a_bucket_and_the_next_cluster_sees_it() -> Result<()> {
    in_a_bucket("final-bucket", generations).await
}

/// Three clusters of one name: the second sees what the first left, and takes nothing of it along when
/// it goes with all of its own.
async fn generations(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let first = sandbox.cluster("kv", place.spec(&json!({}))).await?;
    place.open(sandbox, "kv").await?;
    first.whole(1).await?;
    let told = backups(&first, "a first backup", |told| told.backups >= 1).await?;
    first.client().await?.put(b"pears", b"12").await?;
    deleted(sandbox, &first).await?;
    let before = told.recent_backup.as_ref().map(|recent| recent.revision);
    until("a record of the final backup", PATIENCE, async || {
        let all = request(sandbox.api::<Backup>().list(&ListParams::default())).await?.items;
        let is_final = |backup: &Backup| {
            let status = backup.status.clone().unwrap_or_default();
            status.reason.as_deref() == Some("final") && status.revision > before
        };
        Ok(Look::claim(all.iter().any(is_final), || format!("{} records", all.len())))
    })
    .await?;
    sandbox.say("saved");
    let kept = place.archive(sandbox, &first).await?;

    let spec = place.spec(&json!({"cleanupBackupsOnClusterDelete": true}));
    let second = sandbox.cluster("kv", spec).await?;
    second.whole(1).await?;
    let told = backups(&second, "its own and the earlier backups", |told| {
        told.backups >= 1 && told.earlier_backups >= 2
    })
    .await?;
    sandbox.say(&format!("{} earlier backups", told.earlier_backups));
    ensure!(!place.archive(sandbox, &second).await?.is_empty(), "it has no folder of its own");
    deleted(sandbox, &second).await?;
    only_the_first_is_left(sandbox, place, [&first, &second]).await?;
    let now = place.archive(sandbox, &first).await?;
    ensure!(now.is_superset(&kept), "of {kept:?} only {now:?} is left");

    let third = sandbox.cluster("kv", place.spec(&json!({}))).await?;
    third.whole(1).await?;
    backups(&third, "what the first has left", |told| told.earlier_backups >= 2).await.map(drop)
}

async fn only_the_first_is_left(
    sandbox: &Sandbox,
    place: &Place,
    [first, second]: [&TestCluster; 2],
) -> Result<()> {
    until("the second's archive and its records to be gone", PATIENCE, async || {
        let archive = place.archive(sandbox, second).await?;
        let records = request(sandbox.api::<Backup>().list(&ListParams::default())).await?.items;
        let owned = records.iter().find(|one| !one.owner_references().is_empty());
        ensure!(owned.is_none(), "a record goes with its owner: {owned:?}");
        let of = |uid: &str| {
            let label = |backup: &&Backup| {
                backup.labels().get(api::labels::CLUSTER_UID).map(String::as_str) == Some(uid)
            };
            records.iter().filter(label).count()
        };
        let is_so = archive.is_empty() && of(&second.uid) == 0 && of(&first.uid) >= 2;
        Ok(Look::claim(is_so, || {
            format!("{archive:?}, {} and {} records", of(&first.uid), of(&second.uid))
        }))
    })
    .await?;
    if matches!(place, Place::Volume) {
        let claims: Api<PersistentVolumeClaim> = sandbox.api();
        let claim = request(claims.get(CLAIM)).await.context("the claim must stay")?;
        ensure!(claim.metadata.deletion_timestamp.is_none(), "the claim is on its way out");
    }
    Ok(())
}

/// A sidecar that never comes up, for its volume stays closed: the deletion waits a minute and no more.
#[tokio::test]
async fn a_store_that_cannot_be_written_delays_a_deletion_by_a_minute_and_no_more() -> Result<()> {
    Sandbox::run("backup-dead", async |sandbox| {
        let cluster = sandbox.cluster("kv", Place::Volume.spec(&json!({}))).await?;
        cluster.whole(1).await?;
        until("a finalizer", PATIENCE, async || {
            let finalizers = cluster.get().await?.finalizers().to_vec();
            Ok(Look::claim(!finalizers.is_empty(), || "none".into()))
        })
        .await?;
        given_up_after_a_minute(sandbox, &cluster).await
    })
    .await
}

/// The server is gone when the cluster is: the deletion waits a minute and says what was not saved.
#[tokio::test]
async fn a_bucket_whose_server_is_gone_delays_a_deletion_by_a_minute_and_no_more() -> Result<()> {
    Sandbox::run("bucket-dead", async |sandbox| {
        let mut place = Place::bucket(sandbox).await?;
        let cluster = sandbox.cluster("kv", place.spec(&json!({}))).await?;
        cluster.whole(1).await?;
        backups(&cluster, "a first backup", |told| told.backups >= 1).await?;
        if let Place::Bucket(bucket) = &mut place {
            bucket.server().kill();
        }
        given_up_after_a_minute(sandbox, &cluster).await
    })
    .await
}

/// The store is fine, but nobody gives a snapshot: the same.
#[tokio::test]
async fn an_etcd_that_does_not_answer_delays_a_deletion_by_a_minute_and_no_more() -> Result<()> {
    in_a_bucket("etcd-dead", async |sandbox, place| {
        let cluster = sandbox.cluster("kv", place.spec(&json!({}))).await?;
        let whole = cluster.whole(1).await?;
        backups(&cluster, "a first backup", |told| told.backups >= 1).await?;
        let member = whole.pods.first().context("no pod")?;
        cluster.black_hole(&sandbox.kube, member, true).await?;
        given_up_after_a_minute(sandbox, &cluster).await
    })
    .await
}

async fn given_up_after_a_minute(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    let before = sandbox.age();
    deleted(sandbox, cluster).await?;
    let took = sandbox.age().saturating_sub(before);
    sandbox.say(&format!("gone after {took:?}"));
    ensure!(took >= Duration::from_secs(55), "it did not wait: {took:?}");
    ensure!(took <= Duration::from_secs(110), "it waited too long: {took:?}");
    let events = sandbox.kubectl(&["get", "events.events.k8s.io", "-o", "json"], "").await?;
    ensure!(events.contains("was not saved before the deletion"), "no event says so: {events}");
    Ok(())
}
