//! Backups of clusters on a real Kubernetes, with the real sidecar: on a volume and in a real bucket.
//!
//! What must hold in both places is written once and tried in both.

mod deletion;
mod policy;
mod seed;
mod trouble;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use api::v1beta1::{Backup, BackupServiceStatus, ClusterStatus};
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;
use tests::scenario::{PATIENCE, Sandbox, TestCluster, request};

/// The claim of the cluster `kv`.
const CLAIM: &str = "kv-pvc";

/// The status of the backups once it is as wanted.
pub(crate) async fn backups(
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
    crate::kept::backup_of(sandbox, "kv", name, more).await
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
