//! A cluster whose data is lost and has to come back: what is in it, where its backups lie, and how every
//! key is compared.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Backup, BackupPhase};
use etcd::KeyValue;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, request, until};

/// A backup policy for a volume.
pub(crate) fn on_volume() -> Value {
    json!({"pv": {"volumeSizeInMB": 64}, "backupIntervalInSecond": 3600})
}

/// The folder of the volume behind a cluster's claim, once it has one.
async fn volume(sandbox: &Sandbox, cluster: &str) -> Result<PathBuf> {
    let claims: Api<PersistentVolumeClaim> = sandbox.api();
    let name = until("a volume for the claim", PATIENCE, async || {
        let claim = request(claims.get_opt(&format!("{cluster}-pvc"))).await?;
        let volume = claim.and_then(|claim| claim.spec?.volume_name);
        Ok(volume.map_or_else(|| Look::NotYet("not bound".into()), Look::Is))
    })
    .await?;
    let volumes: Api<PersistentVolume> = Api::all(sandbox.client.clone());
    let volume = request(volumes.get(&name)).await?;
    let source = volume.spec.and_then(|spec| spec.host_path).context("no folder on the host")?;
    Ok(source.path.into())
}

/// The provisioner makes its folders for root alone; a storage system of a real cluster heeds
/// fsGroup. Waits for the volume and opens it.
pub(crate) async fn open_volume(sandbox: &Sandbox, cluster: &str) -> Result<()> {
    let folder = volume(sandbox, cluster).await?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))
        .with_context(|| format!("opening {}", folder.display()))
}

/// Has a backup of `kv` taken as a person would, and returns it once it is stored.
pub(crate) async fn backup_now(sandbox: &Sandbox, name: &str) -> Result<Backup> {
    let api: Api<Backup> = sandbox.api();
    let object = json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup",
        "metadata": {"name": name}, "spec": {"clusterName": "kv"},
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

/// A cluster with backups on a volume, and some keys in it.
pub(crate) async fn filled(sandbox: &Sandbox, size: usize) -> Result<TestCluster> {
    filled_in(sandbox, size, on_volume()).await
}

/// The same with another backup policy.
pub(crate) async fn filled_in(
    sandbox: &Sandbox,
    size: usize,
    policy: Value,
) -> Result<TestCluster> {
    let is_on_volume = policy.get("pv").is_some();
    let cluster = sandbox.cluster("kv", json!({"size": size, "backup": policy})).await?;
    if is_on_volume {
        open_volume(sandbox, "kv").await?;
    }
    cluster.whole(size).await?;
    fill(sandbox, &cluster).await?;
    Ok(cluster)
}

/// Keys of every kind: written once, several times, deleted and made anew, with a lease.
pub(crate) async fn fill(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    let client = cluster.client().await?;
    for number in 0..100_u32 {
        client.put(format!("fill/{number:04}").as_bytes(), &number.to_be_bytes()).await?;
    }
    for round in 0..3_u32 {
        client.put(b"fill/0007", &round.to_be_bytes()).await?;
    }
    client.delete(b"fill/0008").await?;
    client.delete(b"fill/0009").await?;
    client.put(b"fill/0009", b"again").await?;
    let pod = cluster.pods().await?.into_iter().next().context("no pod")?.name_any();
    let granted = etcdctl(sandbox, &pod, &["lease", "grant", "3600"]).await?;
    let lease = granted.split_whitespace().nth(1).context("no lease")?;
    let with = format!("--lease={lease}");
    etcdctl(sandbox, &pod, &["put", "fill/leased", "for an hour", &with]).await.map(drop)
}

async fn etcdctl(sandbox: &Sandbox, pod: &str, args: &[&str]) -> Result<String> {
    let all = [&["exec", pod, "-c", "etcd", "--", "etcdctl"], args].concat();
    sandbox.kubectl(&all, "").await
}

/// All keys, with everything that etcd says of each.
pub(crate) async fn keys(cluster: &TestCluster) -> Result<Vec<KeyValue>> {
    let client = Box::pin(cluster.client()).await?;
    Ok(Box::pin(client.get_prefix(b"fill/")).await?)
}

/// Every key is there as it was, to its revisions, version and lease, and no other is.
pub(crate) async fn same_keys(cluster: &TestCluster, before: &[KeyValue]) -> Result<()> {
    let after = keys(cluster).await?;
    for (was, is) in before.iter().zip(&after) {
        ensure!(was == is, "{was:?} became {is:?}");
    }
    ensure!(before.len() == after.len(), "{} keys became {}", before.len(), after.len());
    Ok(())
}

/// Where the backups of a cluster lie on this machine.
pub(crate) async fn backup_folder(sandbox: &Sandbox, cluster: &TestCluster) -> Result<PathBuf> {
    let folder = volume(sandbox, &cluster.name).await?;
    let archive = format!("v1/{}/{}/{}/snapshots", sandbox.namespace(), cluster.name, cluster.uid);
    Ok(folder.join(archive))
}

/// Turns a bit in the middle of a stored backup.
pub(crate) async fn damage(sandbox: &Sandbox, cluster: &TestCluster, id: &str) -> Result<()> {
    let folder = backup_folder(sandbox, cluster).await?;
    let file = find(&folder, id)?.join("data.db.gz");
    let mut bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let middle = bytes.len() / 2;
    let byte = bytes.get_mut(middle).context("the backup is empty")?;
    *byte ^= 0x10;
    std::fs::write(&file, bytes).with_context(|| file.display().to_string())
}

fn find(folder: &Path, id: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names.find(|name| name.contains(id) || id.contains(name.as_str()));
    Ok(folder.join(name.with_context(|| format!("no backup {id} in {}", folder.display()))?))
}

/// Kills these pods, with no time to say goodbye.
pub(crate) async fn kill_all(cluster: &TestCluster, pods: &[Pod]) -> Result<()> {
    for pod in pods {
        cluster.kill(pod).await?;
    }
    Ok(())
}
