//! The reader that a new cluster is restored from: the sidecar's program, which only answers from what
//! is there, on a volume or with credentials of the new cluster's namespace.
//!
//! A bare pod: it is there for minutes, and its state is told as it is.

use api::sidecar::{ClusterIdentity, SidecarConfig};
use api::v1beta1::BackupPolicy;
use api::{annotations, labels, objects};
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMap, Container, Pod, PodAffinity, PodAffinityTerm, PodSpec, Service,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::config::text;
use super::volumes::Names;
use super::{CONFIG_KEY, container, deployment};
use crate::backup::policy::ValidatedBackup;
use crate::build::{hash, metadata};
use crate::validate::Validated;

const CONTAINER: &str = "restore-reader";
const HOSTNAME_TOPOLOGY: &str = "kubernetes.io/hostname";
/// It has nothing to finish.
const GRACE_SECONDS: i64 = 5;

/// What is read.
pub struct Reading<'a> {
    /// Namespace and name of the cluster that was backed up, and a UID, of which all are listed.
    pub source: ClusterIdentity,
    /// Where the backups are.
    pub place: &'a ValidatedBackup,
    /// The claim of the volume, if they are on one.
    pub claim: Option<&'a str>,
}

/// Its configuration, its address and its pod, which bears a hash of all that it was made from.
pub fn reader(
    cluster: &Validated,
    reading: &Reading<'_>,
    image: &str,
) -> (ConfigMap, Service, Pod) {
    let name = objects::restore_reader(&cluster.name.name);
    let config = text(&config(cluster, reading));
    let made_from =
        hash(&format!("{image} {config} {:?} {:?}", reading.claim, reading.place.credentials));
    let map = ConfigMap {
        metadata: metadata(cluster, name.clone()),
        data: Some([(CONFIG_KEY.to_owned(), config)].into()),
        ..ConfigMap::default()
    };
    let mut meta = metadata(cluster, name.clone());
    meta.labels = Some(labels::of_reader(&cluster.name.name, &cluster.uid));
    meta.annotations = Some([(annotations::CONFIG_HASH.to_owned(), made_from)].into());
    let pod = Pod { metadata: meta, spec: Some(pod(cluster, reading, image)), status: None };
    (map, service(cluster, name), pod)
}

fn config(cluster: &Validated, reading: &Reading<'_>) -> SidecarConfig {
    SidecarConfig {
        cluster: reading.source.clone(),
        // It takes no backups: times that nobody can read shall not keep it from starting.
        policy: BackupPolicy { schedule: None, time_zone: None, ..reading.place.policy.clone() },
        store: reading.place.store.clone(),
        endpoints: Vec::new(),
        // Nobody but the new cluster and the operator: the place may hold other clusters' backups.
        client_name: Some(objects::backup_client_host(&cluster.name.name, &cluster.name.namespace)),
        etcd_cluster_id: None,
        spec: serde_json::Value::Null,
    }
}

fn pod(cluster: &Validated, reading: &Reading<'_>, image: &str) -> PodSpec {
    let name = &cluster.name.name;
    let names = Names {
        config: objects::restore_reader(name),
        tls: objects::restore_reader_tls(name),
        claim: reading.claim.unwrap_or_default().to_owned(),
    };
    // The volume may be written to: that a backup is being read is noted beside it, for the sidecar that
    // prunes there. Nothing that is there is changed.
    let reader = container::sidecar(reading.place, image);
    PodSpec {
        containers: vec![Container {
            name: CONTAINER.into(),
            args: Some(vec!["serve".into(), "--read-only".into()]),
            ..reader
        }],
        affinity: reading.claim.map(|_| beside(&reading.source.name)),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        ..deployment::pod(cluster, &names, reading.place, image)
    }
}

/// On the node of the sidecar that uses the volume, if one does: most volumes are for one node.
fn beside(source: &str) -> Affinity {
    let sidecar = [(labels::APP, labels::APP_BACKUP), (labels::CLUSTER, source)];
    let sidecar = sidecar.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let term = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(sidecar),
            match_expressions: None,
        }),
        topology_key: HOSTNAME_TOPOLOGY.into(),
        ..PodAffinityTerm::default()
    };
    let preferred = vec![WeightedPodAffinityTerm { weight: 100, pod_affinity_term: term }];
    Affinity {
        pod_affinity: Some(PodAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(preferred),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn service(cluster: &Validated, name: String) -> Service {
    Service {
        metadata: metadata(cluster, name),
        spec: Some(super::service::address(labels::reader_selector(
            &cluster.name.name,
            &cluster.uid,
        ))),
        status: None,
    }
}
