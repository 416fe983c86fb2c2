//! A policy is changed in every one of its fields, and no member notices.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use api::sidecar::SidecarConfig;
use api::v1beta1::BackupPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tests::scenario::{Bucket, Look, PATIENCE, Place, Sandbox, TestCluster, request, until};

use super::backups;

/// A change of each field, in an order in which each is a change.
fn changes(bucket: &Bucket) -> Vec<Value> {
    // A new field does not compile here before somebody has thought of a change of it.
    let BackupPolicy {
        storage_type: _,
        pv: _,
        s3: _,
        gcs: _,
        azure: _,
        backup_interval_in_second: _,
        schedule: _,
        time_zone: _,
        max_backups: _,
        retention: _,
        rpo: _,
        cleanup_backups_on_cluster_delete: _,
    } = BackupPolicy::default();
    let mut to_bucket = bucket.policy();
    if let Some(to_bucket) = to_bucket.as_object_mut() {
        to_bucket.insert("pv".into(), Value::Null);
    }
    vec![
        json!({"backupIntervalInSecond": 600}),
        json!({"backupIntervalInSecond": null, "schedule": "0 3 * * *"}),
        json!({"timeZone": "Europe/Berlin"}),
        json!({"maxBackups": 9}),
        json!({"retention": {"keepLast": 3, "keepDaily": 7}}),
        json!({"rpo": "48h"}),
        json!({"cleanupBackupsOnClusterDelete": true}),
        json!({"cleanupBackupsOnClusterDelete": false}),
        json!({"pv": {"volumeSizeInMB": 128}}),
        to_bucket,
        json!({"s3": {"prefix": "moved"}}),
        json!({"storageType": "GCS", "s3": null, "gcs": {"bucket": "nowhere"}}),
        json!({"storageType": "Azure", "gcs": null, "azure": {"account": "nobody", "container": "nowhere"}}),
        json!({"storageType": "PersistentVolume", "azure": null, "pv": {"volumeSizeInMB": 64}}),
    ]
}

#[tokio::test]
async fn no_change_of_a_policy_touches_a_member() -> Result<()> {
    Sandbox::run("policy-fields", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        let cluster = sandbox.cluster("kv", Place::Volume.spec(&json!({}))).await?;
        Place::Volume.open(sandbox, "kv").await?;
        cluster.whole(1).await?;
        backups(&cluster, "a first backup", |told| told.backups >= 1).await?;
        let before = members(&cluster).await?;
        for change in changes(&bucket) {
            let hash = config_hash(sandbox).await?;
            cluster.change(json!({"backup": change})).await?;
            has_reached_the_sidecar(sandbox, &cluster, &hash)
                .await
                .with_context(|| change.to_string())?;
            let now = members(&cluster).await?;
            ensure!(now == before, "after {change} the members are {now:?}, not {before:?}");
            sandbox.say(&change.to_string());
        }
        backups(&cluster, "the backups on the volume", |told| told.backups >= 1).await.map(drop)
    })
    .await
}

/// UID, restarts and what the operator or a person may write of each member's pod.
async fn members(cluster: &TestCluster) -> Result<BTreeMap<String, String>> {
    let pods = cluster.pods().await?;
    let told = pods.iter().map(|pod| {
        let status = pod.status.as_ref();
        let all = |pod: &k8s_openapi::api::core::v1::PodStatus| {
            let own = pod.container_statuses.iter().chain(&pod.init_container_statuses).flatten();
            own.map(|container| container.restart_count).sum::<i32>()
        };
        let restarts = status.map(all);
        let (generation, notes) = (pod.metadata.generation, pod.annotations());
        (pod.name_any(), format!("{:?} {restarts:?} {generation:?} {notes:?}", pod.uid()))
    });
    Ok(told.collect())
}

async fn deployment(sandbox: &Sandbox) -> Result<Deployment> {
    request(sandbox.api::<Deployment>().get("kv-backup-sidecar")).await
}

async fn config_hash(sandbox: &Sandbox) -> Result<String> {
    let template = deployment(sandbox).await?.spec.context("no spec")?.template;
    let annotations = template.metadata.and_then(|meta| meta.annotations).unwrap_or_default();
    annotations.get(api::annotations::CONFIG_HASH).cloned().context("no hash")
}

/// Waits until the configuration holds the policy, and the one pod was made for it.
async fn has_reached_the_sidecar(
    sandbox: &Sandbox,
    cluster: &TestCluster,
    before: &str,
) -> Result<()> {
    until("the sidecar has the policy", PATIENCE, async || {
        let wanted = cluster.get().await?.spec.backup;
        let map = request(sandbox.api::<ConfigMap>().get("kv-backup-sidecar")).await?;
        let text = map.data.unwrap_or_default().remove("config.json").context("no file")?;
        let has: SidecarConfig = serde_json::from_str(&text)?;
        if Some(&has.policy) != wanted.as_ref() || config_hash(sandbox).await? == before {
            return Ok(Look::NotYet(text));
        }
        let deployment = deployment(sandbox).await?;
        let status = deployment.status.unwrap_or_default();
        let is_new = status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == Some(1)
            && status.replicas == Some(1)
            && runs(sandbox).await?;
        Ok(Look::claim(is_new, || format!("{status:?}")))
    })
    .await
}

/// Whether the sidecar's pod has started. A process that is ended before it hears signals takes the
/// pod's whole grace.
async fn runs(sandbox: &Sandbox) -> Result<bool> {
    let pods = request(sandbox.api::<Pod>().list(&ListParams::default())).await?;
    let running = |pod: &Pod| {
        let containers = pod.status.iter().flat_map(|status| &status.container_statuses).flatten();
        let mut states = containers.filter_map(|container| container.state.as_ref());
        states.any(|state| state.running.is_some())
    };
    let is_one = |pod: &Pod| pod.name_any().starts_with("kv-backup-sidecar") && running(pod);
    Ok(pods.items.iter().any(is_one))
}

/// The class of the local Kubernetes cannot expand: that is told, and backups go on.
#[tokio::test]
async fn a_volume_that_cannot_grow_is_told_beside_the_backups_that_are_good() -> Result<()> {
    Sandbox::run("policy-grow", async |sandbox| {
        let cluster = sandbox.cluster("kv", Place::Volume.spec(&json!({}))).await?;
        Place::Volume.open(sandbox, "kv").await?;
        cluster.whole(1).await?;
        backups(&cluster, "a first backup", |told| told.backups >= 1).await?;
        cluster.change(json!({"backup": {"pv": {"volumeSizeInMB": 128}}})).await?;
        let says = |condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            condition.type_ == api::condition::BACKUP_HEALTHY
                && condition.status == "True"
                && condition.message.contains("the backup volume stays at 64Mi")
                && condition.message.contains("storageclass")
        };
        cluster
            .until("word of the volume", PATIENCE, |status| status.conditions.iter().any(says))
            .await
            .map(drop)
    })
    .await
}
