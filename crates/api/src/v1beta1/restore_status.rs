//! What a restore is at, in a cluster's status: one that a person asked for, or a recovery.
//!
//! The operator reads it back and goes on from it, so it names everything that was decided.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// A restore that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct RestoreStatus {
    /// Manual: spec.restore asks for it. Recovery: the data of a majority of members is gone.
    pub cause: RestoreCause,

    /// Members with this number or a higher one are made by this restore; those below were there
    /// before.
    pub first_member: i32,

    /// Saving: what a surviving member holds is being stored, and nothing was deleted. Restoring: the
    /// first member is made from the backup.
    pub stage: RestoreStage,

    /// The surviving member that is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survivor: Option<String>,

    /// How often that was ordered before, without success.
    #[serde(default)]
    pub order: i32,

    /// The backup that is restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<PinnedBackup>,

    /// The backup that holds what the surviving member held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<PinnedBackup>,

    /// Backups that were refused, since they are damaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,

    /// How far beyond the backup's last revision the restored cluster goes on. Absent: it goes on
    /// from that revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_by: Option<i64>,

    /// Which backup was chosen of which, with spec.restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why data is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum RestoreCause {
    /// spec.restore asks for it.
    Manual,
    /// The data of a majority of members is gone.
    Recovery,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum RestoreStage {
    /// What a survivor holds is being stored.
    Saving,
    /// The first member is made.
    Restoring,
}

/// A backup and no other of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct PinnedBackup {
    /// Its name in the archive.
    pub id: String,

    /// SHA-256 of its manifest, by which it is pinned.
    pub manifest_digest: String,

    /// Where it is.
    pub location: String,

    /// The last revision in it.
    pub revision: i64,

    /// etcd's own ID of the cluster that it was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd_cluster_id: Option<String>,

    /// When it was complete.
    pub finish_time: Time,
}

/// The restore that a cluster's data came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct LastRestoreStatus {
    /// Manual: spec.restore asked for it. Recovery: the data of a majority of members was gone.
    pub cause: RestoreCause,

    /// The backup that was restored.
    pub backup: PinnedBackup,

    /// The revision that the restored cluster began with.
    pub revision: i64,

    /// When it began to serve clients.
    pub time: Time,

    /// What was restored, and from where, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// A backup of this cluster was stored since. Before that, a cluster that loses everything goes
    /// back to the backup that it began with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backed_up: bool,
}
