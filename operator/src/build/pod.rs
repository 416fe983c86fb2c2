//! A member's pod.
//!
//! Its arguments cannot change later, so everything that may change stands elsewhere: who may join
//! is decided by the guard at the start, and whether the member has served is an annotation.

use std::collections::BTreeMap;

use api::{annotations, labels, ports};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, DownwardAPIVolumeFile,
    DownwardAPIVolumeSource, EmptyDirVolumeSource, EnvVar, HTTPGetAction, ObjectFieldSelector, Pod,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, Probe, SeccompProfile,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ETCD_CONTAINER, GUARD_CONTAINER, label_selector, metadata};
use crate::validate::Validated;

const DATA_VOLUME: &str = "etcd-data";
const DATA_MOUNT: &str = "/var/etcd";
const DATA_DIR: &str = "/var/etcd/data";
const PODINFO_VOLUME: &str = "podinfo";
const PODINFO_MOUNT: &str = "/etc/podinfo";
const ANNOTATIONS_FILE: &str = "annotations";
/// The user of distroless images; any but root does.
const USER: i64 = 65532;
const HOSTNAME_TOPOLOGY: &str = "kubernetes.io/hostname";

/// How a member comes into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// As the first member of a new cluster.
    Seed,
    /// As one more member.
    Joiner {
        /// All members that it will find, itself included.
        initial: Vec<u32>,
        /// Peer URLs, by IP, of members to ask whether it has been added.
        ask: Vec<String>,
    },
}

/// Builds the pod of one member.
pub fn member_pod(cluster: &Validated, number: u32, start: &Start, init_image: &str) -> Pod {
    let member = cluster.name.member(number);
    let mut meta = metadata(cluster, member.clone());
    meta.labels = Some(merged(
        &cluster.pod.labels,
        labels::of_member(&cluster.name.name, &cluster.uid, &member),
    ));
    meta.annotations =
        Some(merged(&cluster.pod.annotations, annotations_of(cluster, number, start)));
    let policy = &cluster.pod;
    Pod {
        metadata: meta,
        spec: Some(PodSpec {
            hostname: Some(member),
            subdomain: Some(api::objects::headless_service(&cluster.name.name)),
            init_containers: Some(vec![guard(cluster, number, start, init_image)]),
            containers: vec![etcd(cluster, number, start)],
            volumes: Some(vec![data_volume(), podinfo_volume()]),
            restart_policy: Some("Always".into()),
            // etcd hands over leadership and exits within two seconds.
            termination_grace_period_seconds: Some(30),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            security_context: Some(pod_security()),
            node_selector: not_empty(policy.node_selector.clone()),
            affinity: affinity(cluster),
            tolerations: some(policy.tolerations.clone()),
            topology_spread_constraints: some(policy.topology_spread_constraints.clone()),
            priority_class_name: policy.priority_class_name.clone(),
            image_pull_secrets: some(policy.image_pull_secrets.clone()),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// The operator's own values win over the user's.
fn merged(
    theirs: &BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut all = theirs.clone();
    all.extend(ours);
    all
}

fn annotations_of(cluster: &Validated, number: u32, start: &Start) -> BTreeMap<String, String> {
    let role = match start {
        Start::Seed => annotations::ROLE_SEED,
        Start::Joiner { .. } => annotations::ROLE_JOINER,
    };
    [
        (annotations::ROLE, role.to_owned()),
        (annotations::INITIAL_CLUSTER, initial_cluster(cluster, number, start)),
        (annotations::ETCD_VERSION, cluster.version.clone()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn initial_cluster(cluster: &Validated, number: u32, start: &Start) -> String {
    let numbers = match start {
        Start::Seed => vec![number],
        Start::Joiner { initial, .. } => initial.clone(),
    };
    let pair =
        |number| format!("{}={}", cluster.name.member(number), cluster.name.peer_url(number));
    numbers.into_iter().map(pair).collect::<Vec<_>>().join(",")
}

fn etcd(cluster: &Validated, number: u32, start: &Start) -> Container {
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
        Start::Seed => "new",
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

fn guard(cluster: &Validated, number: u32, start: &Start, image: &str) -> Container {
    let mut args = vec![
        "guard".into(),
        format!("--data-dir={DATA_DIR}"),
        format!("--name={}", cluster.name.member(number)),
        format!("--peer-url={}", cluster.name.peer_url(number)),
        format!("--annotations={PODINFO_MOUNT}/{ANNOTATIONS_FILE}"),
    ];
    match start {
        Start::Seed => args.push(format!("--role={}", annotations::ROLE_SEED)),
        Start::Joiner { ask, .. } => {
            args.push(format!("--role={}", annotations::ROLE_JOINER));
            args.extend(ask.iter().map(|url| format!("--ask={url}")));
            let service = api::objects::headless_service(&cluster.name.name);
            let namespace = &cluster.name.namespace;
            args.push(format!("--ask-service={service}.{namespace}.svc:{}", ports::PEER));
        }
    }
    Container {
        name: GUARD_CONTAINER.into(),
        image: Some(image.to_owned()),
        args: Some(args),
        volume_mounts: Some(vec![
            mount(DATA_VOLUME, DATA_MOUNT, false),
            mount(PODINFO_VOLUME, PODINFO_MOUNT, true),
        ]),
        security_context: Some(container_security()),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn data_volume() -> Volume {
    let empty_dir = Some(EmptyDirVolumeSource::default());
    Volume { name: DATA_VOLUME.into(), empty_dir, ..Volume::default() }
}

/// The annotations as a file, which follows their changes: a pod's environment would not.
fn podinfo_volume() -> Volume {
    let field = ObjectFieldSelector {
        field_path: "metadata.annotations".into(),
        api_version: Some("v1".into()),
    };
    let file = DownwardAPIVolumeFile {
        path: ANNOTATIONS_FILE.into(),
        field_ref: Some(field),
        ..DownwardAPIVolumeFile::default()
    };
    let downward_api =
        Some(DownwardAPIVolumeSource { items: Some(vec![file]), default_mode: Some(0o444) });
    Volume { name: PODINFO_VOLUME.into(), downward_api, ..Volume::default() }
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

/// The user's affinity, and with `antiAffinity` never two members on one node. Only members
/// repel each other: the 2017 operator's rule hit its own helper pods as well.
fn affinity(cluster: &Validated) -> Option<Affinity> {
    let mut affinity = cluster.pod.affinity.clone();
    if cluster.pod.anti_affinity {
        let apart = PodAffinityTerm {
            label_selector: Some(label_selector(cluster)),
            topology_key: HOSTNAME_TOPOLOGY.into(),
            ..PodAffinityTerm::default()
        };
        let anti = affinity
            .get_or_insert_default()
            .pod_anti_affinity
            .get_or_insert_with(PodAntiAffinity::default);
        anti.required_during_scheduling_ignored_during_execution
            .get_or_insert_default()
            .push(apart);
    }
    affinity
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn not_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}
