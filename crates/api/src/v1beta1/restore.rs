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
}
