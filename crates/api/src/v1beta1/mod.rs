//! Version `v1beta1` of the API group `etcd.coreos.com`.
//!
//! [`ClusterSpec`] keeps every field of the 2017 operator under its name and with its meaning, so
//! manifests of that time apply unchanged; the other fields are additions. Field documentation is
//! what `kubectl explain` prints, so it speaks to the person who writes a manifest.

#![allow(clippy::doc_markdown, reason = "kubectl explain prints the documentation as it is")]

mod backup;
mod backup_object;
mod backup_service;
mod cluster;
mod pod;
mod recovery;
mod restore;
mod restore_status;
#[cfg(feature = "crd")]
pub(crate) mod rules;
mod self_hosted;
mod status;
mod storage;
mod stores;
mod tls;

pub use {
    backup::{BackupPolicy, Retention},
    backup_object::{BackupPhase, BackupSpec, BackupStatus, DeletionPolicy},
    backup_service::{BackupServiceStatus, FinalBackupStatus, RecentBackupStatus},
    cluster::ClusterSpec,
    pod::PodPolicy,
    recovery::{QuorumLossPolicy, RecoveryPolicy},
    restore::{ClaimSource, RestoreLocation, RestorePolicy, RestoreTarget},
    restore_status::{LastRestoreStatus, PinnedBackup, RestoreCause, RestoreStage, RestoreStatus},
    self_hosted::SelfHostedPolicy,
    status::{ClusterStatus, Health, MemberStatus, MembersStatus, Phase, Role},
    storage::{StoragePolicy, TemplateMetadata, VolumeClaimTemplate},
    stores::{
        AzureSource, GcsSource, ObjectLock, ObjectLockMode, PvSource, S3Source,
        ServerSideEncryption, StorageType,
    },
    tls::{MemberSecrets, StaticTls, TlsPolicy},
};
#[cfg(feature = "crd")]
pub use {backup_object::Backup, cluster::Cluster};

/// API group.
pub const GROUP: &str = "etcd.coreos.com";

/// Version within [`GROUP`].
pub const VERSION: &str = "v1beta1";

/// Kind of the cluster resource.
pub const CLUSTER_KIND: &str = "Cluster";
