//! Which pods DNS answers for.

use std::collections::BTreeSet;

use api::objects;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use planner::name::ClusterName;

use crate::caches::Caches;

/// The label by which Kubernetes ties slices to their service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The UIDs of the pods whose names the headless service publishes. Not the names: an earlier cluster of
/// this name had pods of the same ones, whose addresses may still be there.
pub fn published(caches: &Caches, name: &ClusterName) -> BTreeSet<String> {
    let service = objects::headless_service(&name.name);
    let slices = caches.slices.state_filter(|slice| {
        slice.namespace().as_deref() == Some(name.namespace.as_str())
            && slice.labels().get(SERVICE_NAME) == Some(&service)
    });
    slices.iter().flat_map(|slice| named(slice)).collect()
}

/// The pods that an address of this slice gives a name.
fn named(slice: &EndpointSlice) -> impl Iterator<Item = String> + use<'_> {
    let have_names = slice.endpoints.iter().filter(|endpoint| endpoint.hostname.is_some());
    have_names.filter_map(|endpoint| endpoint.target_ref.as_ref()?.uid.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_counts_as_published_only_for_the_pod_that_it_leads_to() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["10.1.0.1"], "hostname": "orders-0000", "targetRef": {"uid": "p-1"}},
                {"addresses": ["10.1.0.2"], "targetRef": {"uid": "p-2"}},
                {"addresses": ["10.1.0.3"], "hostname": "orders-0003"}
            ]
        }))
        .unwrap();
        assert_eq!(named(&slice).collect::<Vec<_>>(), ["p-1"]);
    }
}
