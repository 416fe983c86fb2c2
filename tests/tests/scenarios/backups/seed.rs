//! What the 2017 operator's tests asked for: A6, B6 and B14, on a volume and in a bucket.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{Look, PATIENCE, Place, Sandbox, TestCluster, request, until};

use super::{CLAIM, backup_now, backups, recorded};
use crate::kept::{deleted, in_a_bucket, on_a_volume};

#[tokio::test]
async fn what_is_asked_for_is_stored_on_a_volume_and_goes_with_the_cluster() -> Result<()> {
    on_a_volume("now-volume", now).await
}

#[tokio::test]
async fn what_is_asked_for_is_stored_in_a_bucket_and_goes_with_the_cluster() -> Result<()> {
    in_a_bucket("now-bucket", now).await
}

/// Seed test A6, and what its clean-up asked for.
async fn now(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let spec = place.spec(&json!({"cleanupBackupsOnClusterDelete": true}));
    let cluster = sandbox.cluster("kv", spec).await?;
    place.open(sandbox, "kv").await?;
    cluster.whole(1).await?;
    cluster.client().await?.put(b"pears", b"12").await?;
    let backup = backup_now(sandbox, "now", &json!({})).await?;
    sandbox.say("stored");
    let stored = backup.status.unwrap_or_default();
    ensure!(stored.revision >= Some(2), "{stored:?}");
    let told = backups(&cluster, "backups in the status", |told| {
        told.backups >= 1 && told.backup_size > 0.0
    })
    .await?;
    ensure!(told.recent_backup.is_some() && told.last_success.is_some(), "{told:?}");
    cluster.condition(api::condition::BACKUP_HEALTHY).await?;
    let archive = place.archive(sandbox, &cluster).await?;
    ensure!(archive.iter().any(|file| file.contains("/manifest-")), "no manifest: {archive:?}");
    deleted(sandbox, &cluster).await?;
    until("nothing left of the backups", PATIENCE, async || {
        let left = left_of_backups(sandbox, place, &cluster).await?;
        Ok(Look::claim(left.is_empty(), || format!("{left:?}")))
    })
    .await
}

async fn left_of_backups(
    sandbox: &Sandbox,
    place: &Place,
    cluster: &TestCluster,
) -> Result<Vec<String>> {
    let claims: Api<PersistentVolumeClaim> = sandbox.api();
    let claim = request(claims.get_opt(CLAIM)).await?.map(|claim| claim.name_any());
    let records = recorded(sandbox).await?;
    let files = if claim.is_some() || matches!(place, Place::Bucket(_)) {
        place.archive(sandbox, cluster).await?
    } else {
        BTreeSet::new()
    };
    Ok(claim.into_iter().chain(records).chain(files).collect())
}

#[tokio::test]
async fn a_policy_with_a_volume_is_added_and_removed_while_the_members_run() -> Result<()> {
    on_a_volume("policy-volume", come_and_go).await
}

#[tokio::test]
async fn a_policy_with_a_bucket_is_added_and_removed_while_the_members_run() -> Result<()> {
    in_a_bucket("policy-bucket", come_and_go).await
}

/// Seed test B6; but what is stored stays.
async fn come_and_go(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = sandbox.cluster("kv", json!({"size": 1})).await?;
    let before = cluster.whole(1).await?;
    cluster.change(json!({"backup": place.policy(&json!({}))})).await?;
    place.open(sandbox, "kv").await?;
    backups(&cluster, "a first backup by itself", |told| told.backups >= 1).await?;
    until("a record", PATIENCE, async || {
        Ok(Look::claim(!recorded(sandbox).await?.is_empty(), || "none".into()))
    })
    .await?;
    let archive = place.archive(sandbox, &cluster).await?;
    sandbox.say("backed up");
    cluster.change(json!({"backup": null})).await?;
    until("no sidecar any more", PATIENCE, async || {
        let left = sidecar_objects(sandbox).await?;
        Ok(Look::claim(left.is_empty(), || format!("{left:?}")))
    })
    .await?;
    cluster
        .until("no word of backups", PATIENCE, |status| status.backup_service_status.is_none())
        .await?;
    ensure!(cluster.get().await?.finalizers().is_empty(), "a finalizer is left");
    ensure!(!recorded(sandbox).await?.is_empty(), "the records must stay");
    let now = place.archive(sandbox, &cluster).await?;
    ensure!(now.is_superset(&archive), "of {archive:?} only {now:?} is left");
    if matches!(place, Place::Volume) {
        let claims: Api<PersistentVolumeClaim> = sandbox.api();
        request(claims.get(CLAIM)).await.context("the claim must stay")?;
    }
    let after = cluster.whole(1).await?;
    ensure!(before.names() == after.names(), "members were touched");
    Ok(())
}

async fn sidecar_objects(sandbox: &Sandbox) -> Result<Vec<String>> {
    let name = "kv-backup-sidecar";
    let mut left = Vec::new();
    if request(sandbox.api::<Deployment>().get_opt(name)).await?.is_some() {
        left.push("Deployment".to_owned());
    }
    if request(sandbox.api::<Service>().get_opt(name)).await?.is_some() {
        left.push("Service".to_owned());
    }
    if request(sandbox.api::<ConfigMap>().get_opt(name)).await?.is_some() {
        left.push("ConfigMap".to_owned());
    }
    for secret in ["kv-backup-server-tls", "kv-backup-client-tls"] {
        if request(sandbox.api::<Secret>().get_opt(secret)).await?.is_some() {
            left.push(secret.to_owned());
        }
    }
    Ok(left)
}

#[tokio::test]
async fn backups_on_a_volume_come_by_the_clock_and_the_oldest_go() -> Result<()> {
    on_a_volume("clock-volume", by_the_clock).await
}

#[tokio::test]
async fn backups_in_a_bucket_come_by_the_clock_and_the_oldest_go() -> Result<()> {
    in_a_bucket("clock-bucket", by_the_clock).await
}

/// Seed test B14; the objects go with what they record.
async fn by_the_clock(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let policy: Value = json!({"backupIntervalInSecond": 5, "maxBackups": 2});
    let cluster = sandbox.cluster("kv", place.spec(&policy)).await?;
    place.open(sandbox, "kv").await?;
    cluster.whole(1).await?;
    let writer = cluster.writer();
    let mut seen = BTreeSet::new();
    until("four backups, of which two are left", PATIENCE, async || {
        let now = recorded(sandbox).await?;
        let told = cluster.status().await?.backup_service_status.unwrap_or_default();
        let archive = place.archive(sandbox, &cluster).await?;
        let manifests = archive.iter().filter(|file| file.contains("/manifest-")).count();
        seen.extend(now.iter().cloned());
        let is_so = seen.len() >= 4 && now.len() <= 2 && told.backups == 2 && manifests <= 3;
        Ok(Look::claim(is_so, || {
            format!("seen {seen:?}, now {now:?}, {manifests} manifests, told {told:?}")
        }))
    })
    .await?;
    writer.finish().await.map(drop)
}
