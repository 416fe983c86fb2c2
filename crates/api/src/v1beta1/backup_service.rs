//! What the backup sidecar does, in a cluster's status. The first three fields are the seed's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// The backups of a cluster, as its sidecar last said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct BackupServiceStatus {
    /// The newest stored backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_backup: Option<RecentBackupStatus>,

    /// How many stored backups there are of this cluster.
    pub backups: i64,

    /// What they take together, in MB.
    pub backup_size: f64,

    /// When the cluster was last found backed up: a backup was stored, or nothing had changed since
    /// the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Time>,

    /// When the next backup is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,

    /// Backups of earlier clusters of this name that lie in the same place. They stay until a person
    /// prunes them.
    pub earlier_backups: i64,

    /// How far the backup before the deletion of the cluster is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_backup: Option<FinalBackupStatus>,
}

/// The newest stored backup.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct RecentBackupStatus {
    /// When it was complete.
    pub creation_time: String,
    /// Size of what is stored, in MB.
    pub size: f64,
    /// etcd version of the member that it was taken from.
    pub version: String,
    /// Seconds that it took, rounded up.
    pub time_took_in_second: i64,
    /// Its name in the archive.
    pub id: String,
    /// The last revision in it.
    pub revision: i64,
}

/// What the operator remembers of the backup, or the clean-up, before the deletion of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct FinalBackupStatus {
    /// When it was begun, or last came further. The deletion waits no longer than a minute beyond
    /// this.
    pub last_progress: Time,
    /// Bytes of the database that have come.
    #[serde(default)]
    pub received: i64,
    /// Backups that a clean-up has still to remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining: Option<i64>,
    /// How many attempts have failed.
    #[serde(default)]
    pub failures: i32,
}
