//! The two services: names for members, and an address for clients.

use api::{objects, ports};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{metadata, selector};
use crate::validate::Validated;

/// Gives every member its DNS name, before it is ready too: members find each other by it.
pub fn headless_service(cluster: &Validated) -> Service {
    Service {
        metadata: metadata(cluster, objects::headless_service(&cluster.name.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(cluster)),
            ports: Some(vec![
                port(ports::CLIENT_NAME, ports::CLIENT),
                port(ports::PEER_NAME, ports::PEER),
                port(ports::METRICS_NAME, ports::METRICS),
            ]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The address for clients: members that are ready, which learners never are.
pub fn client_service(cluster: &Validated) -> Service {
    Service {
        metadata: metadata(cluster, objects::client_service(&cluster.name.name)),
        spec: Some(ServiceSpec {
            selector: Some(selector(cluster)),
            ports: Some(vec![port(ports::CLIENT_NAME, ports::CLIENT)]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(number),
        target_port: Some(IntOrString::Int(i32::from(number))),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}
