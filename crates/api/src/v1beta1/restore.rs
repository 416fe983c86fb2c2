//! Restore policy: the backup that a new cluster begins with.

use serde::{Deserialize, Serialize};

use super::StorageType;
#[cfg(feature = "crd")]
use super::rules;

/// The backup that a new cluster begins with. It is read once, at creation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct RestorePolicy {
    /// The cluster whose newest backup is restored. It may be this cluster's own name, for one
    /// that was deleted and is created again.
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 48), extend("x-kubernetes-validations" = rules::BACKUP_CLUSTER_NAME))
    )]
    pub backup_cluster_name: String,

    /// Where that backup is: PersistentVolume or S3, the same as backup.storageType.
    #[serde(default)]
    pub storage_type: StorageType,

    /// Go on from the backup's own revision. Absent: the restored cluster goes on more than a
    /// thousand million revisions further, so that no client that remembers a revision of the old
    /// cluster misses a change of the new one. Only for a copy that no client of the old cluster
    /// will use.
    #[serde(default)]
    pub keep_revisions: bool,
}
