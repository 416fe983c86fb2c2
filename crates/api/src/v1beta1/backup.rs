//! Backup policy: where snapshots go, how often, how many stay.

use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;
use super::stores::{AzureSource, GcsSource, PvSource, S3Source, StorageType};
use crate::duration::Duration;

/// Where backups go, how often they are taken and how many are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::BACKUP)))]
pub struct BackupPolicy {
    /// PersistentVolume, S3, GCS or Azure.
    #[serde(default)]
    pub storage_type: StorageType,

    /// The volume, with storageType PersistentVolume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pv: Option<PvSource>,

    /// The bucket, with storageType S3. Empty or absent: the bucket that the operator was started
    /// with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Source>,

    /// The bucket, with storageType GCS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsSource>,

    /// The container, with storageType Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureSource>,

    /// Seconds between backups. Absent or 0: 1800. A backup is left out when nothing changed
    /// since the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend("x-kubernetes-validations" = rules::BACKUP_INTERVAL))
    )]
    pub backup_interval_in_second: Option<i64>,

    /// When backups are taken, in the five fields of a Kubernetes CronJob, such as 0 3 * * * for
    /// every day at three, or as one of @hourly, @daily, @weekly, @monthly and @yearly. Instead of
    /// backupIntervalInSecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 128), extend("x-kubernetes-validations" = rules::SCHEDULE))
    )]
    pub schedule: Option<String>,

    /// Time zone of schedule, such as Europe/Berlin. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 64), extend("x-kubernetes-validations" = rules::TIME_ZONE))
    )]
    pub time_zone: Option<String>,

    /// Backups that are kept; older ones are deleted. Absent: 5, or what retention says alone.
    /// 0: all are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::MAX_BACKUPS)))]
    pub max_backups: Option<i64>,

    /// Backups that are kept for longer: a number for each span of time. A backup stays while any
    /// of these or maxBackups wants it. The newest always stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,

    /// How much may be lost at most, such as 1h: once the newest backup is older than this, the
    /// condition BackupHealthy is False. Absent: three intervals, or two runs of the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo: Option<Duration>,

    /// Delete the backups together with the cluster. False keeps them, so that the cluster can be
    /// created again from them.
    #[serde(default)]
    pub cleanup_backups_on_cluster_delete: bool,
}

/// How many backups are kept for how long. The newest of each hour, day, week or month counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::RETENTION)))]
pub struct Retention {
    /// The newest, this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<i32>,
    /// The last of each hour, for this many hours that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_hourly: Option<i32>,
    /// The last of each day (UTC), for this many days that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_daily: Option<i32>,
    /// The last of each week (from Monday, UTC), for this many weeks that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_weekly: Option<i32>,
    /// The last of each month (UTC), for this many months that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_monthly: Option<i32>,
}
