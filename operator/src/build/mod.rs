//! The objects of a cluster, built purely from what was validated.

mod budget;
mod container;
mod pod;
mod restore;
mod service;
#[cfg(test)]
mod tests;

use api::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::Resource;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub use budget::disruption_budget;
pub use pod::{Origin, Start, member_pod, template};
pub use service::{client_service, headless_service};

use crate::validate::Validated;

/// The container that runs etcd.
pub const ETCD_CONTAINER: &str = "etcd";
/// The init container that decides whether etcd may start.
pub const GUARD_CONTAINER: &str = "guard";

/// The init container that makes the data directory of a backup, in a first member that has one.
pub const RESTORE_CONTAINER: &str = "restore";

/// Metadata of an object that the cluster owns.
pub(crate) fn metadata(cluster: &Validated, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.name.namespace.clone()),
        labels: Some(labels::of_cluster(&cluster.name.name, &cluster.uid)),
        owner_references: Some(vec![owner(cluster)]),
        ..ObjectMeta::default()
    }
}

/// Eight bytes tell any two texts about one cluster apart.
pub(crate) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let half = digest.first_chunk().map_or(0, |half| u64::from_be_bytes(*half));
    format!("{half:016x}")
}

/// The reference by which Kubernetes deletes the object together with its cluster. It does not
/// block the deletion of the cluster's object: that would take rights on finalizers.
fn owner(cluster: &Validated) -> OwnerReference {
    OwnerReference {
        api_version: api::v1beta1::Cluster::api_version(&()).into_owned(),
        kind: api::v1beta1::Cluster::kind(&()).into_owned(),
        name: cluster.name.name.clone(),
        uid: cluster.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

/// Selects the members of this cluster and of no other, not even an earlier one of its name.
fn selector(cluster: &Validated) -> BTreeMap<String, String> {
    labels::member_selector(&cluster.name.name, &cluster.uid)
}

fn label_selector(cluster: &Validated) -> LabelSelector {
    LabelSelector { match_labels: Some(selector(cluster)), match_expressions: None }
}
