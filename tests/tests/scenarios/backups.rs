//! Backups of clusters on a real Kubernetes, with the real sidecar: on a volume and in a real bucket.
//!
//! What must hold in both places is written once and tried in both.

mod deletion;
mod policy;
mod seed;
mod trouble;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Backup, BackupPhase, BackupServiceStatus, Cluster, ClusterStatus};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{Bucket, Look, PATIENCE, Sandbox, TestCluster, request, until};

/// The claim of the cluster `kv`.
const CLAIM: &str = "kv-pvc";

/// Where a scenario's backups lie.
enum Place {
    Volume,
    Bucket(Box<Bucket>),
}

impl Place {
    async fn bucket(sandbox: &Sandbox) -> Result<Self> {
        Ok(Self::Bucket(Box::new(Bucket::start(sandbox).await?)))
    }

    /// A backup policy for this place.
    fn policy(&self, more: &Value) -> Value {
        let mut policy = match self {
            Self::Volume => json!({"pv": {"volumeSizeInMB": 64}}),
            Self::Bucket(bucket) => bucket.policy(),
        };
        if let (Some(policy), Some(more)) = (policy.as_object_mut(), more.as_object()) {
            policy.insert("backupIntervalInSecond".into(), json!(3600));
            policy.extend(more.clone());
        }
        policy
    }

    /// The spec of a cluster of one member with such a policy.
    fn spec(&self, more: &Value) -> Value {
        json!({"size": 1, "backup": self.policy(more)})
    }

    /// Makes it usable for the cluster `kv`, once that has claimed what it needs.
    async fn open(&self, sandbox: &Sandbox) -> Result<()> {
        match self {
            Self::Volume => open_volume(sandbox).await,
            Self::Bucket(_) => Ok(()),
        }
    }

    /// The files of the archive of one cluster `kv`, as paths from the folder of its UID.
    async fn archive(&self, sandbox: &Sandbox, uid: &str) -> Result<BTreeSet<String>> {
        let folder = format!("v1/{}/kv/{uid}", sandbox.namespace());
        match self {
            Self::Bucket(bucket) => bucket.files(&folder).await,
            Self::Volume => {
                let Some(volume) = volume(sandbox).await? else { return Ok(BTreeSet::new()) };
                let root = volume.join(folder);
                let mut found = BTreeSet::new();
                walk(&root, &root, &mut found)?;
                Ok(found)
            }
        }
    }
}

/// Tries a scenario with backups on a volume.
async fn on_a_volume(
    name: &str,
    scenario: impl AsyncFnOnce(&Sandbox, &Place) -> Result<()>,
) -> Result<()> {
    let run = async |sandbox: &Sandbox| Box::pin(scenario(sandbox, &Place::Volume)).await;
    Sandbox::run(name, run).await
}

/// Tries a scenario with backups in a bucket.
async fn in_a_bucket(
    name: &str,
    scenario: impl AsyncFnOnce(&Sandbox, &Place) -> Result<()>,
) -> Result<()> {
    let run = async |sandbox: &Sandbox| {
        let place = Place::bucket(sandbox).await?;
        Box::pin(scenario(sandbox, &place)).await
    };
    Sandbox::run(name, run).await
}

/// Adds the files below a folder; none when it is not there.
fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// The folder of the volume behind the claim, once it has one.
async fn volume(sandbox: &Sandbox) -> Result<Option<PathBuf>> {
    let claims: Api<PersistentVolumeClaim> = sandbox.api();
    let claim = request(claims.get_opt(CLAIM)).await?;
    let Some(name) = claim.and_then(|claim| claim.spec?.volume_name) else { return Ok(None) };
    let volumes: Api<PersistentVolume> = Api::all(sandbox.client.clone());
    let volume = request(volumes.get(&name)).await?;
    let source = volume.spec.and_then(|spec| spec.host_path).context("no folder on the host")?;
    Ok(Some(source.path.into()))
}

/// The provisioner makes its folders for root alone; a storage system of a real cluster heeds
/// fsGroup. Waits for the volume and opens it.
async fn open_volume(sandbox: &Sandbox) -> Result<()> {
    let folder = until("a volume for the claim", PATIENCE, async || {
        let volume = volume(sandbox).await?;
        Ok(volume.map_or_else(|| Look::NotYet("not bound".into()), Look::Is))
    })
    .await?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))
        .with_context(|| format!("opening {}", folder.display()))
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

/// Has a backup of `kv` taken as a person would, and returns it once it is stored.
async fn backup_now(sandbox: &Sandbox, name: &str, more: &Value) -> Result<Backup> {
    let api: Api<Backup> = sandbox.api();
    let mut spec = json!({"clusterName": "kv"});
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
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

/// The ID of a stored backup.
fn id_of(backup: &Backup) -> Result<String> {
    let status = backup.status.as_ref();
    status.and_then(|status| status.id.clone()).context("the backup has no ID")
}

/// The `Backup` objects, by the ID of what they record.
async fn recorded(sandbox: &Sandbox) -> Result<BTreeSet<String>> {
    let api: Api<Backup> = sandbox.api();
    let all = request(api.list(&ListParams::default())).await?;
    Ok(all.items.into_iter().filter_map(|backup| backup.status?.id).collect())
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
