//! The sidecar's Deployment.

use std::collections::BTreeMap;

use api::{annotations, labels, objects};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::volumes::Names;
use super::{container, volumes};
use crate::backup::policy::ValidatedBackup;
use crate::build::metadata;
use crate::validate::Validated;

/// The user of distroless images; any but root does.
const USER: i64 = 65532;
/// An upload that is under way is finished first; the next start needs the volume to itself.
const GRACE_SECONDS: i64 = 300;

/// What the sidecar reads at its start only; another version of it restarts the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Hash of the configuration.
    pub config: String,
    /// Version of the credentials, if there are any.
    pub credentials: Option<String>,
}

/// One sidecar, never two at a time: they would write to one volume.
pub fn deployment(
    cluster: &Validated,
    backup: &ValidatedBackup,
    versions: &Versions,
    image: &str,
) -> Deployment {
    let (name, uid) = (&cluster.name.name, &cluster.uid);
    Deployment {
        metadata: metadata(cluster, objects::backup_sidecar(name)),
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".into()),
                rolling_update: None,
            }),
            revision_history_limit: Some(1),
            selector: LabelSelector {
                match_labels: Some(labels::sidecar_selector(name, uid)),
                match_expressions: None,
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::of_sidecar(name, uid)),
                    annotations: Some(annotations(versions)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(cluster, &Names::of_sidecar(name), backup, image)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn annotations(versions: &Versions) -> BTreeMap<String, String> {
    let config = (annotations::CONFIG_HASH.to_owned(), versions.config.clone());
    let credentials = versions
        .credentials
        .clone()
        .map(|version| (annotations::CREDENTIALS_VERSION.to_owned(), version));
    std::iter::once(config).chain(credentials).collect()
}

/// Where the members may run, the sidecar may too.
pub(super) fn pod(
    cluster: &Validated,
    names: &Names,
    backup: &ValidatedBackup,
    image: &str,
) -> PodSpec {
    let policy = &cluster.pod;
    let selector = (!policy.node_selector.is_empty()).then(|| policy.node_selector.clone());
    PodSpec {
        containers: vec![container::sidecar(backup, image)],
        volumes: Some(volumes::volumes(&cluster.name.name, names, backup)),
        node_selector: selector,
        tolerations: some(policy.tolerations.clone()),
        image_pull_secrets: some(policy.image_pull_secrets.clone()),
        // It never calls Kubernetes.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // A volume with thousands of backups is not walked through at each start.
            fs_group_change_policy: Some("OnRootMismatch".into()),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".into(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
