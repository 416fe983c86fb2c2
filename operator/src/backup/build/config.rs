//! The sidecar's configuration file.

use api::sidecar::{ClusterIdentity, SidecarConfig};
use api::v1beta1::{Cluster, RestoreCause};
use api::{objects, ports};
use k8s_openapi::api::core::v1::ConfigMap;

use super::CONFIG_KEY;
use crate::backup::policy::ValidatedBackup;
use crate::build::{hash, metadata};
use crate::validate::Validated;

/// The `ConfigMap`, and the hash by which a change restarts the sidecar. The cluster's spec, which
/// goes into the manifests, is not hashed: a resize shall not restart anything. Nor is etcd's own ID,
/// which becomes known while the first backup is taken, unless a recovery has given another since: until
/// the mounted file follows, all backups of the recovered cluster would be refused.
pub fn config_map(
    object: &Cluster,
    cluster: &Validated,
    backup: &ValidatedBackup,
) -> (ConfigMap, String) {
    let mut config = SidecarConfig {
        cluster: ClusterIdentity {
            namespace: cluster.name.namespace.clone(),
            name: cluster.name.name.clone(),
            uid: cluster.uid.clone(),
        },
        policy: backup.policy.clone(),
        store: backup.store.clone(),
        endpoints: vec![format!(
            "http://{}.{}.svc:{}",
            objects::headless_service(&cluster.name.name),
            cluster.name.namespace,
            ports::CLIENT
        )],
        client_name: Some(objects::backup_client_host(&cluster.name.name, &cluster.name.namespace)),
        etcd_cluster_id: None,
        spec: serde_json::Value::Null,
    };
    let (id, is_another) = etcd_cluster_id(object);
    config.etcd_cluster_id = id.clone().filter(|_| is_another);
    let hash = hash(&text(&config));
    config.etcd_cluster_id = id;
    // Names of Secrets at most; no spec holds what is secret.
    config.spec = serde_json::to_value(&object.spec).unwrap_or_default();
    let map = ConfigMap {
        metadata: metadata(cluster, objects::backup_sidecar(&cluster.name.name)),
        data: Some([(CONFIG_KEY.to_owned(), text(&config))].into()),
        ..ConfigMap::default()
    };
    (map, hash)
}

/// etcd's own ID of the cluster, and whether a recovery has changed it.
fn etcd_cluster_id(object: &Cluster) -> (Option<String>, bool) {
    let Some(status) = &object.status else { return (None, false) };
    let last = status.last_restore.as_ref();
    let is_another = last.is_some_and(|restore| restore.cause == RestoreCause::Recovery);
    (status.cluster_id.clone(), is_another)
}

pub(super) fn text(config: &SidecarConfig) -> String {
    serde_json::to_string_pretty(config).unwrap_or_default()
}
