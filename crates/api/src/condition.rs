//! Condition types and reasons of `status.conditions`.
//!
//! Types are Kubernetes' customary ones plus three of ours. Reasons are CamelCase and stable: they
//! are also event reasons and metric labels.

/// True while a majority of the voters is healthy, so clients can read and write.
pub const AVAILABLE: &str = "Available";

/// True while the operator brings the cluster to its spec: creating, growing, shrinking, healing.
pub const PROGRESSING: &str = "Progressing";

/// True while something is wrong that a person may have to see: a member down, no quorum.
pub const DEGRADED: &str = "Degraded";

/// True while `spec.paused` holds the operator off.
pub const PAUSED: &str = "Paused";

/// True when `spec.version` cannot be run; the message says which to write.
pub const UNSUPPORTED_VERSION: &str = "UnsupportedVersion";

/// True when the spec asks for something that this release does not do yet; the message names it.
pub const UNSUPPORTED_FIELD: &str = "UnsupportedField";

/// True while the newest backup is young enough and backups succeed. Only with `spec.backup`.
pub const BACKUP_HEALTHY: &str = "BackupHealthy";

/// True while the cluster is made anew from a backup; the message says which, and what is lost.
pub const RECOVERING: &str = "Recovering";

/// True while the data of a majority is gone and there is no backup that can be restored.
pub const UNRECOVERABLE: &str = "Unrecoverable";

/// Values of a condition's `status`.
pub mod status {
    /// The condition holds.
    pub const TRUE: &str = "True";
    /// The condition does not hold.
    pub const FALSE: &str = "False";
    /// It is not known whether the condition holds.
    pub const UNKNOWN: &str = "Unknown";
}

/// Reasons given in conditions.
pub mod reason {
    /// The spec is met and nothing is left to do.
    pub const AS_SPECIFIED: &str = "AsSpecified";
    /// A majority of the voters is healthy.
    pub const QUORUM_HEALTHY: &str = "QuorumHealthy";
    /// No majority answers, but its data is not known to be gone.
    pub const NO_QUORUM: &str = "NoQuorum";
    /// The data of a majority is gone.
    pub const QUORUM_LOST: &str = "QuorumLost";
    /// A backup is being restored.
    pub const RESTORING: &str = "Restoring";
    /// A backup was restored.
    pub const RESTORED: &str = "Restored";
    /// The quorum came back by itself.
    pub const QUORUM_BACK: &str = "QuorumBack";
    /// There is no backup that can be restored.
    pub const NO_USABLE_BACKUP: &str = "NoUsableBackup";
    /// The first members are being started.
    pub const CREATING: &str = "Creating";
    /// The number of members is being changed.
    pub const SCALING: &str = "Scaling";
    /// A member is being replaced or restarted.
    pub const HEALING: &str = "Healing";
    /// The cluster waits for something that its message names.
    pub const WAITING: &str = "Waiting";
    /// etcd's authentication is on, and the operator is no user of it.
    pub const AUTH_REQUIRED: &str = "AuthRequired";
    /// etcd's database is full: only reads and deletes are answered.
    pub const NO_SPACE: &str = "NoSpace";
    /// etcd has found that members' data differs: nothing is answered.
    pub const CORRUPT: &str = "Corrupt";
    /// A member is not healthy.
    pub const MEMBER_UNHEALTHY: &str = "MemberUnhealthy";
    /// All members are healthy.
    pub const MEMBERS_HEALTHY: &str = "MembersHealthy";
    /// The spec says paused.
    pub const PAUSED: &str = "Paused";
    /// The spec does not say paused.
    pub const NOT_PAUSED: &str = "NotPaused";
    /// An object that the cluster needs exists and belongs to something else.
    pub const NAME_CLASH: &str = "NameClash";
    /// The version is older than the oldest that is run.
    pub const VERSION_TOO_OLD: &str = "VersionTooOld";
    /// The version is newer than the newest that is known.
    pub const VERSION_TOO_NEW: &str = "VersionTooNew";
    /// The version differs from the running one in a way that is not done yet.
    pub const VERSION_CHANGE: &str = "VersionChange";
    /// The version can be run.
    pub const VERSION_SUPPORTED: &str = "VersionSupported";
    /// The newest backup is young enough and nothing fails.
    pub const BACKED_UP: &str = "BackedUp";
    /// No backup has been stored yet.
    pub const NO_BACKUP_YET: &str = "NoBackupYet";
    /// The newest backup is older than the policy admits.
    pub const BACKUP_TOO_OLD: &str = "BackupTooOld";
    /// The backup sidecar does not answer.
    pub const SIDECAR_UNREACHABLE: &str = "SidecarUnreachable";
    /// The backup policy asks for something that cannot be done.
    pub const INVALID_POLICY: &str = "InvalidPolicy";
    /// The sidecar or something that it needs could not be brought about.
    pub const SIDECAR_NOT_READY: &str = "SidecarNotReady";
    /// The spec asks for a field that this release does not do yet.
    pub const NOT_IMPLEMENTED: &str = "NotImplemented";
}
