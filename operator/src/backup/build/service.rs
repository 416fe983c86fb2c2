//! The sidecar's address.

use std::collections::BTreeMap;

use api::{labels, objects, ports};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::build::metadata;
use crate::validate::Validated;

/// The seed's port under the seed's name. A sidecar that is not ready is asked too: it says why.
pub fn service(cluster: &Validated) -> Service {
    let (name, uid) = (&cluster.name.name, &cluster.uid);
    Service {
        metadata: metadata(cluster, objects::backup_sidecar(name)),
        spec: Some(address(labels::sidecar_selector(name, uid))),
        status: None,
    }
}

/// The API of the pod that the labels choose, also before it is ready.
pub(super) fn address(selector: BTreeMap<String, String>) -> ServiceSpec {
    ServiceSpec {
        publish_not_ready_addresses: Some(true),
        selector: Some(selector),
        ports: Some(vec![ServicePort {
            name: Some("backup-service".into()),
            port: i32::from(ports::SIDECAR),
            target_port: Some(IntOrString::Int(i32::from(ports::SIDECAR))),
            protocol: Some("TCP".into()),
            ..ServicePort::default()
        }]),
        ..ServiceSpec::default()
    }
}
