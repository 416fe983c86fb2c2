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
/// changed the object since `cluster` was read.
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
    within("writing the status", write).await.map(Arc::new)
}
