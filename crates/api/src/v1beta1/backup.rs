//! Backup policy: where snapshots go, how often, how many stay.

use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;

/// Where backups go, how often they are taken and how many are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::BACKUP)))]
pub struct BackupPolicy {
    /// PersistentVolume or S3.
    #[serde(default)]
    pub storage_type: StorageType,

    /// The volume, with storageType PersistentVolume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pv: Option<PvSource>,

    /// The bucket, with storageType S3. Empty or absent: the bucket that the operator was started
    /// with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Source>,

    /// Seconds between backups. Absent or 0: 1800. A backup is left out when nothing changed
    /// since the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("x-kubernetes-validations" = rules::BACKUP_INTERVAL))
    )]
    pub backup_interval_in_second: Option<i64>,

    /// Backups that are kept; older ones are deleted. Absent: 5. 0: all are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::MAX_BACKUPS)))]
    pub max_backups: Option<i64>,

    /// Delete the backups together with the cluster. False keeps them, so that the cluster can be
    /// created again from them.
    #[serde(default)]
    pub cleanup_backups_on_cluster_delete: bool,
}

/// Where backups are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageType {
    /// On a persistent volume. The seed's manifests may write it as an empty string.
    #[default]
    #[serde(alias = "")]
    PersistentVolume,
    /// In an S3 bucket.
    S3,
}

/// By hand: an enum in the schema would refuse with a bare list, the rule says what to do.
#[cfg(feature = "crd")]
impl schemars::JsonSchema for StorageType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StorageType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": rules::STORAGE_TYPE,
        })
    }
}

/// A persistent volume for backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PvSource {
    /// Size of the volume in MiB. It has to hold maxBackups snapshots and one more.
    #[serde(rename = "volumeSizeInMB")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::VOLUME_SIZE)))]
    pub volume_size_in_mb: i64,
}

/// An S3 bucket for backups. It has no fields yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct S3Source {}
