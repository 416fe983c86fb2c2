//! Backups of clusters on a real Kubernetes: on a volume, with the real sidecar.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Backup, BackupPhase, BackupServiceStatus, Cluster, ClusterStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolume, PersistentVolumeClaim, Secret, Service,
};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, request, until};

/// A final backup, and what else a deletion waits for.
const DELETION: Duration = Duration::from_mins(1);

fn on_volume(more: &Value) -> Value {
    let mut backup = json!({"pv": {"volumeSizeInMB": 64}, "backupIntervalInSecond": 3600});
    if let (Some(backup), Some(more)) = (backup.as_object_mut(), more.as_object()) {
        backup.extend(more.clone());
    }
    json!({"size": 1, "backup": backup})
}

/// The provisioner makes its folders for root alone; a storage system of a real cluster heeds
/// fsGroup. Waits for the volume of a claim and opens it.
async fn open_volume(sandbox: &Sandbox, cluster: &str) -> Result<()> {
    let claims: Api<PersistentVolumeClaim> = sandbox.api();
    let volumes: Api<PersistentVolume> = Api::all(sandbox.client.clone());
    let name = until("a volume for the claim", PATIENCE, async || {
        let claim = request(claims.get_opt(&format!("{cluster}-pvc"))).await?;
        let volume = claim.and_then(|claim| claim.spec?.volume_name);
        Ok(volume.map_or_else(|| Look::NotYet("not bound".into()), Look::Is))
    })
    .await?;
    let volume = request(volumes.get(&name)).await?;
    let source = volume.spec.and_then(|spec| spec.host_path).context("no folder on the host")?;
    std::fs::set_permissions(&source.path, std::fs::Permissions::from_mode(0o777))
        .with_context(|| format!("opening {}", source.path))
}

/// The status of the backups once it is as wanted.
async fn backups(
    cluster: &TestCluster,
    what: &str,
    is_so: impl Fn(&BackupServiceStatus) -> bool,
) -> Result<BackupServiceStatus> {
    let of = |status: &ClusterStatus| status.backup_service_status.clone().unwrap_or_default();
    let status = cluster.until(what, PATIENCE, |status| is_so(&of(status))).await?;
    Ok(of(&status))
}

/// Has a backup taken as a person would, and returns it once it is stored.
async fn backup_now(sandbox: &Sandbox, cluster: &str, name: &str) -> Result<Backup> {
    let api: Api<Backup> = sandbox.api();
    let spec = json!({"clusterName": cluster});
    let object = json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup",
        "metadata": {"name": name}, "spec": spec,
    });
    request(api.create(&PostParams::default(), &serde_json::from_value(object)?)).await?;
    until(&format!("backup {name}"), PATIENCE, async || {
        let status = request(api.get(name)).await?.status.unwrap_or_default();
        ensure!(status.phase != Some(BackupPhase::Failed), "{:?}", status.message);
        Ok(Look::claim(status.phase == Some(BackupPhase::Stored), || format!("{status:?}")))
    })
    .await?;
    request(api.get(name)).await
}

/// IDs of the stored backups that have an object.
async fn recorded(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let api: Api<Backup> = sandbox.api();
    let all = request(api.list(&ListParams::default())).await?;
    Ok(all.items.into_iter().filter_map(|backup| backup.status?.id).collect())
}

/// Seed test A6.
#[tokio::test]
async fn a_backup_that_is_asked_for_is_stored_and_the_status_tells_of_it() -> Result<()> {
    Sandbox::run("backup-now", async |sandbox| {
        let spec = on_volume(&json!({"cleanupBackupsOnClusterDelete": true}));
        let cluster = sandbox.cluster("kv", spec).await?;
        open_volume(sandbox, "kv").await?;
        cluster.whole(1).await?;
        cluster.client().await?.put(b"pears", b"12").await?;
        let backup = backup_now(sandbox, "kv", "now").await?;
        sandbox.say("stored");
        let stored = backup.status.unwrap_or_default();
        ensure!(stored.revision >= Some(2), "{stored:?}");
        let told = backups(&cluster, "backups in the status", |told| {
            told.backups >= 1 && told.backup_size > 0.0
        })
        .await?;
        ensure!(told.recent_backup.is_some() && told.last_success.is_some(), "{told:?}");
        cluster.condition(api::condition::BACKUP_HEALTHY).await?;
        delete_and_clean_up(sandbox, &cluster).await
    })
    .await
}

/// Deletes a cluster and waits until its object is gone.
async fn delete(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    cluster.delete().await?;
    let api: Api<Cluster> = sandbox.api();
    until("the cluster to be gone", PATIENCE, async || {
        let there = request(api.get_opt(&cluster.name)).await?;
        let is_there = there.as_ref().and_then(ResourceExt::uid).as_ref() == Some(&cluster.uid);
        Ok(Look::claim(!is_there, || format!("{:?}", there.and_then(|it| it.status?.message))))
    })
    .await
}

/// With the clean-up of the policy, neither the claim nor any record is left.
async fn delete_and_clean_up(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    delete(sandbox, cluster).await?;
    until("nothing left of the backups", DELETION, async || {
        let claims: Api<PersistentVolumeClaim> = sandbox.api();
        let claim = request(claims.get_opt("kv-pvc")).await?;
        let left = recorded(sandbox).await?;
        Ok(Look::claim(claim.is_none() && left.is_empty(), || {
            format!("claim {}, records {left:?}", claim.is_some())
        }))
    })
    .await
}

/// Seed test B6: a policy comes to a cluster that runs, and goes again.
#[tokio::test]
async fn a_policy_is_added_and_removed_while_the_members_run() -> Result<()> {
    Sandbox::run("backup-policy", async |sandbox| {
        let cluster = sandbox.cluster("kv", json!({"size": 1})).await?;
        let before = cluster.whole(1).await?;
        cluster.change(json!({"backup": on_volume(&json!({}))["backup"]})).await?;
        open_volume(sandbox, "kv").await?;
        backups(&cluster, "a first backup by itself", |told| told.backups >= 1).await?;
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
        let claims: Api<PersistentVolumeClaim> = sandbox.api();
        request(claims.get("kv-pvc")).await.context("the claim must stay")?;
        ensure!(!recorded(sandbox).await?.is_empty(), "the records must stay");
        let after = cluster.whole(1).await?;
        ensure!(before.names() == after.names(), "members were touched");
        Ok(())
    })
    .await
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

/// Seed test B14: backups by the clock, of which the oldest go, and their objects with them.
#[tokio::test]
async fn backups_by_the_clock_come_and_the_oldest_go() -> Result<()> {
    Sandbox::run("backup-clock", async |sandbox| {
        let policy = json!({"backupIntervalInSecond": 5, "maxBackups": 2});
        let cluster = sandbox.cluster("kv", on_volume(&policy)).await?;
        open_volume(sandbox, "kv").await?;
        cluster.whole(1).await?;
        let writer = cluster.writer();
        let mut seen = BTreeSet::new();
        until("four backups, of which two are left", PATIENCE, async || {
            let now = recorded(sandbox).await?;
            let told = cluster.status().await?.backup_service_status.unwrap_or_default();
            seen.extend(now.iter().cloned());
            let is_so = seen.len() >= 4 && now.len() <= 2 && told.backups == 2;
            Ok(Look::claim(is_so, || format!("seen {seen:?}, now {now:?}, told {told:?}")))
        })
        .await?;
        writer.finish().await?;
        Ok(())
    })
    .await
}

/// The last backup before a deletion holds what was written last; the next cluster of the name adopts
/// the volume and says what lies on it.
#[tokio::test]
async fn a_deletion_saves_what_was_written_last_and_the_next_cluster_sees_it() -> Result<()> {
    Sandbox::run("backup-final", async |sandbox| {
        let cluster = sandbox.cluster("kv", on_volume(&json!({}))).await?;
        open_volume(sandbox, "kv").await?;
        cluster.whole(1).await?;
        let first = backups(&cluster, "a first backup", |told| told.backups >= 1).await?;
        cluster.client().await?.put(b"pears", b"12").await?;
        delete(sandbox, &cluster).await?;
        until("a record of the final backup", DELETION, async || {
            let api: Api<Backup> = sandbox.api();
            let all = request(api.list(&ListParams::default())).await?.items;
            let is_final = |backup: &Backup| {
                let status = backup.status.clone().unwrap_or_default();
                let before = first.recent_backup.as_ref().map(|recent| recent.revision);
                status.reason.as_deref() == Some("final") && status.revision > before
            };
            Ok(Look::claim(all.iter().any(is_final), || format!("{} records", all.len())))
        })
        .await?;
        sandbox.say("saved");
        let next = sandbox.cluster("kv", on_volume(&json!({}))).await?;
        next.whole(1).await?;
        let told = backups(&next, "its own and the earlier backups", |told| {
            told.backups >= 1 && told.earlier_backups >= 2
        })
        .await?;
        sandbox.say(&format!("{} earlier backups", told.earlier_backups));
        Ok(())
    })
    .await
}

/// A sidecar that never comes up, for its volume stays closed: the deletion waits a minute and no more.
#[tokio::test]
async fn a_store_that_cannot_be_written_delays_a_deletion_by_a_minute_and_no_more() -> Result<()> {
    Sandbox::run("backup-dead", async |sandbox| {
        let cluster = sandbox.cluster("kv", on_volume(&json!({}))).await?;
        cluster.whole(1).await?;
        until("a finalizer", PATIENCE, async || {
            let finalizers = cluster.get().await?.finalizers().to_vec();
            Ok(Look::claim(!finalizers.is_empty(), || "none".into()))
        })
        .await?;
        let before = sandbox.age();
        delete(sandbox, &cluster).await?;
        let took = sandbox.age().saturating_sub(before);
        sandbox.say(&format!("gone after {took:?}"));
        ensure!(took >= Duration::from_secs(55), "it did not wait: {took:?}");
        ensure!(took <= Duration::from_secs(110), "it waited too long: {took:?}");
        Ok(())
    })
    .await
}
