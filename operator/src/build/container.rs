//! The two containers of a member's pod: the guard, then etcd.

use api::{annotations, objects, ports};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Probe, ResourceRequirements,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ETCD_CONTAINER, GUARD_CONTAINER, Start, restore};
use crate::validate::Validated;

pub(super) const DATA_VOLUME: &str = "etcd-data";
pub(super) const DATA_MOUNT: &str = "/var/etcd";
pub(super) const DATA_DIR: &str = "/var/etcd/data";
pub(super) const PODINFO_VOLUME: &str = "podinfo";
pub(super) const PODINFO_MOUNT: &str = "/etc/podinfo";
pub(super) const ANNOTATIONS_FILE: &str = "annotations";

/// All members that etcd starts into, as `name=peer URL`.
pub(super) fn initial_cluster(cluster: &Validated, number: u32, start: &Start) -> String {
    let numbers = match start {
        Start::Seed | Start::Restored(_) => vec![number],
        Start::Joiner { initial, .. } => initial.clone(),
    };
    let pair =
        |number| format!("{}={}", cluster.name.member(number), cluster.name.peer_url(number));
    numbers.into_iter().map(pair).collect::<Vec<_>>().join(",")
}

/// etcd itself.
pub(super) fn etcd(cluster: &Validated, number: u32, start: &Start) -> Container {
    Container {
        name: ETCD_CONTAINER.into(),
        image: Some(cluster.image.clone()),
        command: Some(vec!["/usr/local/bin/etcd".into()]),
        args: Some(etcd_args(cluster, number, start)),
        env: Some(vec![EnvVar {
            // Two members may join side by side. By environment and not by flag: 3.5 does not know
            // it and says so in its log instead of refusing to start. It must be the same for all.
            name: "ETCD_MAX_LEARNERS".into(),
            value: Some("2".into()),
            value_from: None,
        }]),
        ports: Some(
            [
                (ports::CLIENT_NAME, ports::CLIENT),
                (ports::PEER_NAME, ports::PEER),
                (ports::METRICS_NAME, ports::METRICS),
            ]
            .map(|(name, number)| ContainerPort {
                name: Some(name.into()),
                container_port: i32::from(number),
                ..ContainerPort::default()
            })
            .into(),
        ),
        resources: cluster.pod.resources.clone(),
        volume_mounts: Some(vec![mount(DATA_VOLUME, DATA_MOUNT, false)]),
        // A start replays the log, which can take minutes on a large database.
        startup_probe: Some(probe("/livez", 1, 3, 600)),
        // Without quorum a member is alive: a restart would help nobody.
        liveness_probe: Some(probe("/livez", 10, 5, 3)),
        readiness_probe: Some(probe("/readyz", 2, 5, 3)),
        security_context: Some(container_security()),
        ..Container::default()
    }
}

fn etcd_args(cluster: &Validated, number: u32, start: &Start) -> Vec<String> {
    let state = match start {
        Start::Seed | Start::Restored(_) => "new",
        Start::Joiner { .. } => "existing",
    };
    let (client, peer, metrics) = (ports::CLIENT, ports::PEER, ports::METRICS);
    vec![
        format!("--name={}", cluster.name.member(number)),
        format!("--data-dir={DATA_DIR}"),
        format!("--listen-client-urls=http://0.0.0.0:{client}"),
        format!("--advertise-client-urls={}", cluster.name.client_url(number)),
        format!("--listen-peer-urls=http://0.0.0.0:{peer}"),
        format!("--initial-advertise-peer-urls={}", cluster.name.peer_url(number)),
        format!("--listen-metrics-urls=http://0.0.0.0:{metrics}"),
        format!("--initial-cluster={}", initial_cluster(cluster, number, start)),
        format!("--initial-cluster-state={state}"),
        format!("--initial-cluster-token={}", cluster.uid),
    ]
}

/// Decides whether etcd may start; see `etcd-restore-init guard --help`.
pub(super) fn guard(cluster: &Validated, number: u32, start: &Start, image: &str) -> Container {
    let mut args = vec![
        "guard".into(),
        format!("--data-dir={DATA_DIR}"),
        format!("--name={}", cluster.name.member(number)),
        format!("--peer-url={}", cluster.name.peer_url(number)),
        format!("--annotations={PODINFO_MOUNT}/{ANNOTATIONS_FILE}"),
    ];
    match start {
        Start::Seed => args.push(format!("--role={}", annotations::ROLE_SEED)),
        Start::Restored(_) => {
            args.push(format!("--role={}", annotations::ROLE_SEED));
            args.push(format!("--install-to={}", restore::TOOLS_MOUNT));
        }
        Start::Joiner { ask, .. } => {
            args.push(format!("--role={}", annotations::ROLE_JOINER));
            args.extend(ask.iter().map(|url| format!("--ask={url}")));
            let service = objects::headless_service(&cluster.name.name);
            let namespace = &cluster.name.namespace;
            args.push(format!("--ask-service={service}.{namespace}.svc:{}", ports::PEER));
        }
    }
    let mut mounts =
        vec![mount(DATA_VOLUME, DATA_MOUNT, false), mount(PODINFO_VOLUME, PODINFO_MOUNT, true)];
    if matches!(start, Start::Restored(_)) {
        mounts.push(restore::tools());
    }
    Container {
        name: GUARD_CONTAINER.into(),
        image: Some(image.to_owned()),
        args: Some(args),
        volume_mounts: Some(mounts),
        resources: Some(init_resources()),
        security_context: Some(container_security()),
        ..Container::default()
    }
}

/// What our init containers get. A `ResourceQuota` refuses pods of which one container names nothing.
/// They end before etcd begins, so a pod asks for the greater of the two and not for the sum.
pub(super) fn init_resources() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(amounts("10m", "32Mi")),
        limits: Some(amounts("500m", "128Mi")),
        claims: None,
    }
}

pub(super) fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// Asks the metrics port, which needs no client certificate.
fn probe(path: &str, period: i32, timeout: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::Int(i32::from(ports::METRICS)),
            scheme: Some("HTTP".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(timeout),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

pub(super) fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}
