//! A cluster whose data is lost and has to come back: what is in it, where its backups lie, and how every
//! key is compared.

use super::{Look, PATIENCE, Place, Sandbox, TestCluster, request, until};
use anyhow::{Context, Result, ensure};
use api::v1beta1::{Backup, BackupPhase, Cluster};
use etcd::KeyValue;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

/// Tries a scenario with backups on a volume.
pub async fn on_a_volume(
    name: &str,
    scenario: impl AsyncFnOnce(&Sandbox, &Place) -> Result<()>,
) -> Result<()> {
    let run = async |sandbox: &Sandbox| Box::pin(scenario(sandbox, &Place::Volume)).await;
    Sandbox::run(name, run).await
}

/// Tries a scenario with backups in a bucket.
pub async fn in_a_bucket(
    name: &str,
    scenario: impl AsyncFnOnce(&Sandbox, &Place) -> Result<()>,
) -> Result<()> {
    let run = async |sandbox: &Sandbox| {
        let place = Place::bucket(sandbox).await?;
        Box::pin(scenario(sandbox, &place)).await
    };
    Sandbox::run(name, run).await
}

/// Has a backup of `kv` taken as a person would, and returns it once it is stored.
pub async fn backup_now(sandbox: &Sandbox, name: &str) -> Result<Backup> {
    backup_of(sandbox, "kv", name, &json!({})).await
}

/// The same of any cluster, with more in the spec.
pub async fn backup_of(
    sandbox: &Sandbox,
    cluster: &str,
    name: &str,
    more: &Value,
) -> Result<Backup> {
    let api: Api<Backup> = sandbox.api();
    let mut spec = json!({"clusterName": cluster});
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

/// A cluster `kv` with backups on a volume, and some keys in it.
pub async fn filled(sandbox: &Sandbox, size: usize) -> Result<TestCluster> {
    filled_in(sandbox, "kv", size, &Place::Volume).await
}

/// The same under any name, with backups in any place.
pub async fn filled_in(
    sandbox: &Sandbox,
    name: &str,
    size: usize,
    place: &Place,
) -> Result<TestCluster> {
    let spec = json!({"size": size, "backup": place.policy(&json!({}))});
    let cluster = sandbox.cluster(name, spec).await?;
    place.open(sandbox, name).await?;
    cluster.whole(size).await?;
    fill(sandbox, &cluster).await?;
    Ok(cluster)
}

/// Deletes a cluster, with its final backup, and waits until its object is gone.
pub async fn deleted(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    cluster.delete().await?;
    let api: Api<Cluster> = sandbox.api();
    until("the cluster to be gone", PATIENCE, async || {
        let there = request(api.get_opt(&cluster.name)).await?;
        let is_there = there.as_ref().and_then(ResourceExt::uid).as_ref() == Some(&cluster.uid);
        Ok(Look::claim(!is_there, || format!("{:?}", there.and_then(|it| it.status?.message))))
    })
    .await
}

/// Keys of every kind: written once, several times, deleted and made anew, with a lease.
pub async fn fill(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
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
pub async fn keys(cluster: &TestCluster) -> Result<Vec<KeyValue>> {
    let client = Box::pin(cluster.client()).await?;
    Ok(Box::pin(client.get_prefix(b"fill/")).await?)
}

/// Every key is there as it was, to its revisions, version and lease, and no other is.
pub async fn same_keys(cluster: &TestCluster, before: &[KeyValue]) -> Result<()> {
    let after = keys(cluster).await?;
    for (was, is) in before.iter().zip(&after) {
        ensure!(was == is, "{was:?} became {is:?}");
    }
    ensure!(before.len() == after.len(), "{} keys became {}", before.len(), after.len());
    Ok(())
}

/// Kills these pods, with no time to say goodbye.
pub async fn kill_all(cluster: &TestCluster, pods: &[Pod]) -> Result<()> {
    for pod in pods {
        cluster.kill(pod).await?;
    }
    Ok(())
}
