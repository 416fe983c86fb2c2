//! The `Backup` resource: one snapshot, asked for by a person or recorded by the schedule.

#![allow(clippy::duplicated_attributes, reason = "each column names its type")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;

/// The backup that is wanted. The cluster cannot be changed: a new backup is a new object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::BACKUP_SPEC)))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "etcd.coreos.com",
        version = "v1beta1",
        kind = "Backup",
        plural = "backups",
        shortname = "etcdbackup",
        namespaced,
        doc = "One snapshot of an etcd cluster. Create one to have a snapshot taken now; the \
               operator creates one for each that the schedule takes. It outlives its cluster, so \
               that a restore can name it.",
        status = "BackupStatus",
        derive = "PartialEq",
        printcolumn(
            name = "Cluster",
            type_ = "string",
            json_path = ".spec.clusterName",
            description = "The cluster that it is of."
        ),
        printcolumn(
            name = "Phase",
            type_ = "string",
            json_path = ".status.phase",
            description = "How far it is: Stored is good enough to recover from."
        ),
        printcolumn(
            name = "Revision",
            type_ = "integer",
            json_path = ".status.revision",
            description = "The last revision in it."
        ),
        printcolumn(
            name = "Size",
            type_ = "string",
            json_path = ".status.size",
            description = "Size of the database in it."
        ),
        printcolumn(
            name = "Taken",
            type_ = "date",
            json_path = ".status.finishTime",
            description = "How long ago it was stored."
        ),
        printcolumn(
            name = "Message",
            type_ = "string",
            json_path = ".status.message",
            priority = 1,
            description = "What happens, or why it failed."
        ),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
pub struct BackupSpec {
    /// The cluster, in the same namespace. It needs a backup policy, which says where to.
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 48), extend("x-kubernetes-validations" = rules::CLUSTER_NAME))
    )]
    pub cluster_name: String,

    /// What happens to the stored snapshot when this object is deleted. Retain keeps it, until
    /// the cluster's policy removes it. Delete removes it too.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What happens to the stored snapshot when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum DeletionPolicy {
    /// It stays.
    #[default]
    Retain,
    /// It goes too.
    Delete,
}

/// What became of the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct BackupStatus {
    /// Pending: not begun. Uploading: under way. Stored: complete and its structure checked while
    /// it was written; good enough to recover from. Verified: read back. Proven: restored in a
    /// drill. Failed: message says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "BackupPhase"))]
    pub phase: Option<BackupPhase>,

    /// What happens at the moment, or why it failed and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Its name in the archive: the revision in hexadecimal, a dash and the time of its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Where it is: the store's URL with the path of the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,

    /// The store that it is in: the store's URL, with the endpoint as its only option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,

    /// UID of the cluster that it is of. A cluster made again under the same name has another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,

    /// Why it was taken: scheduled, on-demand, before-recovery, before-upgrade or final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// etcd version of the member that it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd_version: Option<String>,

    /// The last revision in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,

    /// The revision up to which history was compacted. Values can be read from here to revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compact_revision: Option<i64>,

    /// Size of the database for people, such as 1.1 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,

    /// Size of the database in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_size_bytes: Option<i64>,

    /// Size of what is stored, compressed, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_size_bytes: Option<i64>,

    /// SHA-256 of the manifest, by which a restore pins the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,

    /// When it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,

    /// When it was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Time>,
}

/// How far a backup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum BackupPhase {
    /// Not begun.
    Pending,
    /// Under way.
    Uploading,
    /// Complete, its structure checked while it was written.
    Stored,
    /// Read back.
    Verified,
    /// Restored in a drill.
    Proven,
    /// Not taken.
    Failed,
    /// A phase that a newer operator wrote.
    #[serde(other)]
    #[cfg_attr(feature = "crd", schemars(skip))]
    Unknown,
}
