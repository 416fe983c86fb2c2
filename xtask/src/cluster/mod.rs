//! An etcd cluster on a Kubernetes, from the outside: what a person with kubectl and etcdctl sees.
//!
//! The demo and the benchmark stand on this. Every call has a time limit, and whatever is waited for in
//! vain is reported with the cluster's own message.

mod forward;
mod kubectl;
mod namespace;
mod operator;
mod store;

use std::time::Duration;

use anyhow::{Context, Result};
use api::v1beta1::{Cluster, Phase};
use kube::api::DeleteParams;

pub(crate) use ::tests::scenario::is_ready;
pub(crate) use ::tests::writer::{Address, Connect, Writer, check};
pub(crate) use forward::Forward;
pub(crate) use kubectl::Kubectl;
pub(crate) use namespace::Namespace;
pub(crate) use operator::{Operator, manifests};
pub(crate) use store::Store;

/// Longer than an API server needs, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits for one call.
pub(crate) async fn within<T, E>(
    what: &str,
    call: impl Future<Output = std::result::Result<T, E>>,
) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let answer = tokio::time::timeout(LIMIT, call).await;
    answer.with_context(|| format!("{what}: no answer within {LIMIT:?}"))?.context(what.to_owned())
}

/// Whether the operator has seen the last change of the spec, and all that was asked for is there.
pub(crate) fn is_whole(cluster: &Cluster) -> bool {
    let size = cluster.spec.size;
    cluster.status.as_ref().is_some_and(|status| {
        status.observed_generation == cluster.metadata.generation
            && status.phase == Some(Phase::Running)
            && status.ready == Some(format!("{size}/{size}"))
    })
}

/// Names of the members in the status.
pub(crate) fn member_names(cluster: &Cluster) -> Vec<String> {
    let rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
    rows.map(|row| row.name.clone()).collect()
}

/// Deletes at once, as when a machine dies: without the grace period.
pub(crate) fn at_once() -> DeleteParams {
    DeleteParams::default().grace_period(0)
}
