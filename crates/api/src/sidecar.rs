//! What the operator and the backup sidecar say to each other: the configuration file of
//! `etcd-backup-sidecar serve`, and the answers of its API on [`crate::ports::SIDECAR`].
//!
//! Both are JSON. Fields are only ever added, so that an operator and a sidecar of neighbouring
//! releases understand each other.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::v1beta1::BackupPolicy;

/// The configuration file. The operator writes it into a `ConfigMap` whose hash stands in the
/// sidecar's pod template, so a change restarts the sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarConfig {
    /// Whose backups these are; it names the archive's path.
    pub cluster: ClusterIdentity,
    /// Where to, how often, how many stay.
    pub policy: BackupPolicy,
    /// The store's URL, as `--store` takes it.
    pub store: String,
    /// Client URLs by which a first member is found, such as `http://kv.shop.svc:2379`.
    pub endpoints: Vec<String>,
    /// The DNS name in the certificate of the one client that is served: one authority signs the
    /// certificates of all clusters. Absent: whoever has a certificate of it is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// etcd's own ID of the cluster, in hexadecimal, once it is known: nothing of another etcd is taken
    /// for this cluster's. Read anew for each backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_cluster_id: Option<String>,
    /// The cluster's spec without secrets, for the manifest. Read anew for each backup.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub spec: serde_json::Value,
}

/// One cluster and no other of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID of the `Cluster` object.
    pub uid: String,
}

/// The answer to `GET /v1/status`. The first three fields are those of the 2017 sidecar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SidecarStatus {
    /// The newest stored backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_backup: Option<RecentBackup>,
    /// How many stored backups there are of this cluster.
    pub backups: u64,
    /// What they take together, in MB (10⁶ bytes).
    pub backup_size: f64,

    /// Grows with every change of this status; `?after=N&wait=30s` waits until it is above `N`.
    pub sequence: u64,
    /// The backup that is being taken, by its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<String>,
    /// When the cluster was last found backed up: a backup stored, or nothing changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Why backups fail at the moment, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Backups of earlier clusters of this name that are in the store.
    pub earlier_backups: u64,
    /// The store was not listed since the start, so that nothing is known yet of what is in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlisted: bool,
}

/// The newest stored backup, in the 2017 sidecar's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecentBackup {
    /// When it was complete, RFC 3339.
    pub creation_time: String,
    /// Size of what is stored, in MB (10⁶ bytes).
    pub size: f64,
    /// etcd version of the member that it was taken from.
    pub version: String,
    /// Whole seconds that it took, rounded up.
    pub time_took_in_second: u64,
    /// Its name in the archive.
    pub id: String,
    /// The last revision in it.
    pub revision: i64,
}

/// A row of failed attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When the first of them failed.
    pub since: Timestamp,
    /// How many there were.
    pub attempts: u32,
    /// A fixed word for conditions and metrics.
    pub reason: String,
    /// What failed last, and what to do.
    pub message: String,
}

/// One backup, in the answers to `GET /v1/backups` and `GET /v1/backups/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredBackup {
    /// Its name in the archive.
    pub id: String,
    /// UID of the cluster that it is of.
    pub cluster_uid: String,
    /// Why it was taken.
    pub reason: String,
    /// etcd's own ID of the cluster, in hexadecimal: revisions are compared only within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_cluster_id: Option<String>,
    /// ID of the order that asked for it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// etcd version of the member that it was taken from.
    pub etcd_version: String,
    /// The last revision in it.
    pub revision: i64,
    /// The revision up to which history was compacted.
    pub compact_revision: i64,
    /// Bytes of the database.
    pub raw_size: u64,
    /// Bytes that are stored.
    pub stored_size: u64,
    /// SHA-256 of the manifest, hexadecimal.
    pub manifest_digest: String,
    /// When it was begun.
    pub start_time: Timestamp,
    /// When it was complete.
    pub finish_time: Timestamp,
    /// Where it is: the store's URL with its path.
    pub location: String,
    /// When it was last read back without a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
    /// Why it cannot be used, when its manifest is damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// Only a later version can read its manifest, so that it may well be sound.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unread: bool,
}

/// What the operator asks for by `PUT /v1/requests/ID`: a backup now. The ID is the caller's own, such
/// as the UID of a `Backup` object. The same ID again is the same request, also after a restart of
/// either side: the manifest records it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupOrder {
    /// `on-demand`, `before-recovery`, `before-upgrade` or `final`.
    pub reason: String,
    /// Client URL of the member to take it from, without quorum too. Absent: chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// etcd's own ID of the cluster, in hexadecimal. It counts instead of the one in the configuration,
    /// which follows a recovery only after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_cluster_id: Option<String>,
}

/// What became of an order: the answer to `PUT` and `GET /v1/requests/ID[?wait=30s]`, which waits until
/// it is stored or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRequest {
    /// The ID that the caller gave.
    pub id: String,
    /// How far it is.
    pub state: RequestState,
    /// Bytes of the database that have come so far, while it is under way.
    #[serde(default)]
    pub received: u64,
    /// The backup, once it is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<StoredBackup>,
    /// Why it failed and what to do, or what the last attempt failed of while it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Timestamp>,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestState {
    /// Not begun, or waiting for another try.
    Pending,
    /// Under way.
    Uploading,
    /// Stored.
    Stored,
    /// Given up.
    Failed,
}

/// The answer to `GET /v1/backups`, newest first; `?all=true` adds those of earlier clusters of this
/// name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BackupList {
    /// The store that was asked, as [`store_identity`] gives it.
    pub store: String,
    /// The backups.
    pub backups: Vec<StoredBackup>,
}

/// Which store a URL means: its options say how it is used, but the endpoint says where it is.
pub fn store_identity(url: &str) -> String {
    let (root, options) = url.split_once('?').unwrap_or((url, ""));
    let root = root.trim_end_matches('/');
    match options.split('&').find(|option| option.starts_with("endpoint=")) {
        Some(endpoint) => format!("{root}?{endpoint}"),
        None => root.to_owned(),
    }
}

/// Body of every answer that is not 2xx: one sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A fixed word.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

/// Where things lie in the sidecar's pod.
pub mod paths {
    /// The [`super::SidecarConfig`], from the `ConfigMap`.
    pub const CONFIG: &str = "/etc/etcd-backup-sidecar/config.json";
    /// `tls.crt`, `tls.key` and `ca.crt` of the API, from the Secret; read again when they change.
    pub const TLS: &str = "/etc/etcd-backup-sidecar/tls";
    /// The store's credentials, from the Secret that the policy names.
    pub const CREDENTIALS: &str = "/etc/etcd-backup-sidecar/credentials";
    /// etcd's client certificates (`ca.crt`, `tls.crt`, `tls.key`), with `spec.TLS`.
    pub const ETCD_TLS: &str = "/etc/etcd-backup-sidecar/etcd-tls";
    /// The backup volume, with storageType `PersistentVolume`.
    pub const VOLUME: &str = "/var/lib/etcd-backups";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_makes_another_store_and_other_options_do_not() {
        let plain = store_identity("s3://backups/etcd/?region=eu&lock=governance");
        assert_eq!(plain, "s3://backups/etcd");
        let weed =
            store_identity("s3://backups/etcd?region=eu&endpoint=http%3A%2F%2Fweed&sse=AES256");
        assert_eq!(weed, "s3://backups/etcd?endpoint=http%3A%2F%2Fweed");
        assert_eq!(store_identity("file:///var/lib/x"), "file:///var/lib/x");
    }
}
