//! A member's pod.
//!
//! Its arguments cannot change later, so everything that may change stands elsewhere: who may join
//! is decided by the guard at the start, and whether the member has served is an annotation.

use std::collections::BTreeMap;

use api::{annotations, labels, objects};
use k8s_openapi::api::core::v1::{
    Affinity, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource,
    ObjectFieldSelector, Pod, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec,
    SeccompProfile, Volume,
};

use super::container::{self, ANNOTATIONS_FILE, DATA_VOLUME, PODINFO_VOLUME};
use super::{hash, label_selector, metadata, restore};
use crate::validate::Validated;

/// The user of distroless images; any but root does.
const USER: i64 = 65532;
const HOSTNAME_TOPOLOGY: &str = "kubernetes.io/hostname";

/// How a member comes into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// As the first member of a new cluster.
    Seed,
    /// As the first member, with the data of a backup.
    Restored(Origin),
    /// As one more member.
    Joiner {
        /// All members that it will find, itself included.
        initial: Vec<u32>,
        /// Peer URLs, by IP, of members to ask whether it has been added.
        ask: Vec<String>,
    },
}

/// Where the data of a first member comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The backup's ID.
    pub backup: String,
    /// SHA-256 of its manifest.
    pub manifest_digest: String,
    /// URL of the sidecar that serves it.
    pub from: String,
    /// UID of the cluster that it is of, if that is another than the sidecar's own.
    pub uid: Option<String>,
    /// Secret with what the sidecar is called with.
    pub tls_secret: String,
    /// How far beyond the backup's last revision the cluster goes on; none to go on from there.
    pub raised_by: Option<i64>,
}

/// Builds the pod of one member.
pub fn member_pod(cluster: &Validated, number: u32, start: &Start, init_image: &str) -> Pod {
    let member = cluster.name.member(number);
    // No service leads to a first member from a backup before the restore is finished.
    let labels = match start {
        Start::Restored(_) => labels::of_restoring_member,
        Start::Seed | Start::Joiner { .. } => labels::of_member,
    };
    let mut meta = metadata(cluster, member.clone());
    meta.labels =
        Some(merged(&cluster.pod.labels, labels(&cluster.name.name, &cluster.uid, &member)));
    meta.annotations =
        Some(merged(&cluster.pod.annotations, annotations_of(cluster, number, start, init_image)));
    let policy = &cluster.pod;
    let mut init = vec![container::guard(cluster, number, start, init_image)];
    let mut volumes = vec![data_volume(), podinfo_volume()];
    if let Start::Restored(origin) = start {
        init.push(restore::container(cluster, number, origin));
        volumes.extend(restore::volumes(origin));
    }
    Pod {
        metadata: meta,
        spec: Some(PodSpec {
            hostname: Some(member),
            subdomain: Some(objects::headless_service(&cluster.name.name)),
            init_containers: Some(init),
            containers: vec![container::etcd(cluster, number, start)],
            volumes: Some(volumes),
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

/// A hash of what makes a pod as it is, beside who it is.
pub fn template(cluster: &Validated, init_image: &str) -> String {
    let policy = serde_json::to_string(&cluster.pod).unwrap_or_default();
    hash(&format!("{init_image} {} {policy}", cluster.image))
}

fn annotations_of(
    cluster: &Validated,
    number: u32,
    start: &Start,
    init_image: &str,
) -> BTreeMap<String, String> {
    let role = match start {
        Start::Seed | Start::Restored(_) => annotations::ROLE_SEED,
        Start::Joiner { .. } => annotations::ROLE_JOINER,
    };
    let from = match start {
        Start::Restored(origin) => Some((annotations::RESTORED_FROM, origin.backup.clone())),
        Start::Seed | Start::Joiner { .. } => None,
    };
    let all = [
        (annotations::ROLE, role.to_owned()),
        (annotations::INITIAL_CLUSTER, container::initial_cluster(cluster, number, start)),
        (annotations::ETCD_VERSION, cluster.version.clone()),
        (annotations::TEMPLATE, template(cluster, init_image)),
    ];
    all.into_iter().chain(from).map(|(key, value)| (key.to_owned(), value)).collect()
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

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn not_empty(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}
