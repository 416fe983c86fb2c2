//! Restore policy: the backup that a new cluster begins with.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use super::StorageType;
#[cfg(feature = "crd")]
use super::rules;
use super::stores::{AzureSource, GcsSource, S3Source};

/// The backup that a new cluster begins with. It is read once, at creation. Write one of
/// backupClusterName, backup and location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::RESTORE)))]
pub struct RestorePolicy {
    /// The cluster whose newest backup is restored. It may be this cluster's own name, for one
    /// that was deleted and is created again. Of several clusters that bore the name in this
    /// namespace, the one whose backup was finished last; the status says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 48), extend("x-kubernetes-validations" = rules::BACKUP_CLUSTER_NAME))
    )]
    pub backup_cluster_name: Option<String>,

    /// Where that backup is: PersistentVolume or S3, the same as backup.storageType. It says nothing
    /// with backup or location.
    #[serde(default)]
    pub storage_type: StorageType,

    /// Name of a Backup in this namespace: just this one is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 253)))]
    pub backup: Option<String>,

    /// A place with backups, of a cluster and of Backups that may be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<RestoreLocation>,

    /// Which of the backups. Absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<RestoreTarget>,

    /// Go on from the backup's own revision. Absent: the restored cluster goes on more than a
    /// thousand million revisions further, so that no client that remembers a revision of the old
    /// cluster misses a change of the new one. Only for a copy that no client of the old cluster
    /// will use.
    #[serde(default)]
    pub keep_revisions: bool,
}

/// A place with backups, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::LOCATION)))]
pub struct RestoreLocation {
    /// Name of the cluster that was backed up.
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 48), extend("x-kubernetes-validations" = rules::CLUSTER_NAME))
    )]
    pub cluster_name: String,

    /// Its namespace, perhaps in another Kubernetes. Absent: this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 63)))]
    pub namespace: Option<String>,

    /// Its UID, when several clusters bore the name. Absent: of these the one whose backup was
    /// finished last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(max = 64)))]
    pub uid: Option<String>,

    /// A volume in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pv: Option<ClaimSource>,

    /// A bucket at Amazon or any compatible store. Credentials are only read from this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Source>,

    /// A bucket of Google Cloud Storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsSource>,

    /// A container of Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSource>,
}

/// A volume that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ClaimSource {
    /// Name of its claim, such as kv-pvc for the backups of the cluster kv. It is only read.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 253)))]
    pub claim_name: String,
}

/// Which backup: the last one at or before this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::TARGET)))]
pub struct RestoreTarget {
    /// A revision of the cluster that was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,

    /// A time, such as 2026-11-24T03:00:00Z: the backup was complete by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}
