//! Small facts about pods.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::localkube::Node;

/// Whether it is ready and stays.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_ready = conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True");
    is_ready && pod.metadata.deletion_timestamp.is_none()
}

/// The node it runs on.
pub fn node_of(pod: &Pod) -> Result<Node> {
    let name = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let name = name.with_context(|| format!("pod {} is on no node", pod.name_any()))?;
    Ok(name.parse()?)
}

/// The numbers in the names of member pods.
pub fn member_numbers<'a>(names: impl IntoIterator<Item = &'a String>) -> BTreeSet<u32> {
    let number = |name: &'a String| name.rsplit_once('-')?.1.parse().ok();
    names.into_iter().filter_map(number).collect()
}
