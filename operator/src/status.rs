//! Writing the status: the one place, always whole, always against the version that was read.
//!
//! The status is the operator's memory, so a write on a stale copy must fail: the API server
//! compares the resource version.

use std::sync::Arc;

use api::v1beta1::{Cluster, ClusterStatus};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use crate::call::within;
use crate::error::Error;

/// Replaces the status and returns the cluster as it is then. [`Error::Conflict`] when somebody
/// changed the object since `cluster` was read; [`Error::OldDefinition`] when what must be remembered
/// was not.
pub async fn write(
    client: &Client,
    cluster: &Cluster,
    status: ClusterStatus,
) -> Result<Arc<Cluster>, Error> {
    let api: Api<Cluster> =
        Api::namespaced(client.clone(), &cluster.namespace().unwrap_or_default());
    let mut changed = cluster.clone();
    changed.status = Some(status);
    let params = PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false };
    let name = changed.name_any();
    let write = api.replace_status(&name, &params, &changed);
    let written = within("writing the status", write).await?;
    match dropped(&changed, &written) {
        Some(field) => Err(Error::OldDefinition { field }),
        None => Ok(Arc::new(written)),
    }
}

/// What the API server dropped of that on which the next step rests.
fn dropped(wanted: &Cluster, written: &Cluster) -> Option<&'static str> {
    let restore = |it: &Cluster| it.status.as_ref().is_some_and(|status| status.restore.is_some());
    let last = |it: &Cluster| {
        let backups = it.status.as_ref().and_then(|it| it.backup_service_status.as_ref());
        backups.is_some_and(|backups| backups.final_backup.is_some())
    };
    let is_dropped = |has: &dyn Fn(&Cluster) -> bool| has(wanted) && !has(written);
    if is_dropped(&restore) {
        return Some("status.restore");
    }
    is_dropped(&last).then_some("status.backupServiceStatus.finalBackup")
}
