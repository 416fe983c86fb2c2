//! What `etcd-restore-init run` says to the operator: its termination message, one line of JSON.
//!
//! Fields are only ever added, so that an operator and a restore-init of neighbouring releases understand
//! each other.

use serde::{Deserialize, Serialize};

/// Exit code of a restore that may go well when it is run again.
pub const EXIT_AGAIN: u8 = 1;
/// Exit code when the command line cannot be used.
pub const EXIT_USAGE: u8 = 2;
/// Exit code of a refusal: the same run ends the same way each time.
pub const EXIT_REFUSED: u8 = 3;

/// The `reason` of a restore that went well.
pub const RESTORED: &str = "Restored";

/// How a restore ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestoreReport {
    /// [`RESTORED`], or a fixed word for what went wrong.
    pub reason: String,
    /// A sentence: what happened, and what to do about it.
    pub message: String,
    /// Whether the same run may go well later, exit code 1: the store could not be reached, the disk is
    /// full, a password is to be corrected. Without it (exit code 3) the same run ends the same way.
    pub retryable: bool,
    /// Where the trouble lies; absent when all went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The backup's ID, once it is known which one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
    /// UID of the cluster that the backup is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// SHA-256 of the backup's manifest, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_digest: Option<String>,
    /// The last revision in the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The revision that the restored data begins with; absent when revisions were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bumped_revision: Option<u64>,
    /// Whether the restored etcd asks for users and passwords, as the backed-up one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_enabled: Option<bool>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The data directory had been restored by an earlier run, which these numbers are of.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub already_restored: bool,
}

/// Where the trouble of a restore lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// The backup itself is damaged, gone or of a format that is not known. With `retryable: false` an
    /// older backup may do: the only trouble in which one may be taken instead.
    Backup,
    /// The store, the sidecar, or the way to them.
    Store,
    /// The data directory holds something that this restore did not make.
    DataDir,
    /// Backup and etcd version do not go together, or this image has no etcdutl.
    Target,
    /// The disk is full, or fails.
    Disk,
    /// The command line.
    Usage,
    /// A signal came, or something unforeseen.
    #[serde(other)]
    Other,
}
