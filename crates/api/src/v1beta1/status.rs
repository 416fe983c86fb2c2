//! What the cluster is: the answer to the person on call.
//!
//! The operator writes all of it, by the status subresource. Some fields are more than a report and
//! must outlive the operator: [`ClusterStatus::next_member`], [`ClusterStatus::served`],
//! [`ClusterStatus::recoveries`], [`ClusterStatus::restore`] and [`ClusterStatus::highest_revision`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::{Deserialize, Serialize};

use super::{BackupServiceStatus, LastRestoreStatus, RestoreStatus};

/// What the cluster is, as the operator last saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct ClusterStatus {
    /// The state in one word.
    ///
    /// Creating: has not served yet. Running: as the spec says. Scaling: members are being added
    /// or removed. Healing: a member is down or being replaced; clients are served. NoQuorum: no
    /// majority of members answers, but their data is not known to be gone. QuorumLost: the data
    /// of a majority is gone, and somebody is waited for. Recovering: the cluster is made anew from a
    /// backup. Unrecoverable: the data of a majority is gone, and there is no backup to restore.
    /// Paused: the spec says so. Failed: a person has to change something.
    #[serde(skip_serializing_if = "Option::is_none")]
    // Without this, the schema shows the enum's own documentation and not this one.
    #[cfg_attr(feature = "crd", schemars(with = "Phase"))]
    pub phase: Option<Phase>,

    /// What happens at the moment, in a sentence that names who acts next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// The metadata.generation that this status answers. Lower than the object's: the operator
    /// has not seen the last change yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Number of members that etcd lists, learners and unstarted ones too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i32>,

    /// Voting members that are ready, a slash, and spec.size: 3/3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,

    /// Label selector of the members' pods, for the scale subresource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// Names of the members, by readiness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<MembersStatus>,

    /// One row for each member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["name"]
        ))
    )]
    pub member_statuses: Vec<MemberStatus>,

    /// The etcd version that the members run, without v.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,

    /// The etcd version that an upgrade is on the way to. Absent: no upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<String>,

    /// etcd's own ID of the cluster, in hexadecimal as etcdctl prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,

    /// The lowest member number that was never used; the next member gets it. It is raised before
    /// a number is used and never lowered, so that no name is used twice.
    pub next_member: i32,

    /// The last size that the cluster reached with every member healthy; 0 before the first time.
    /// It tells a cluster that heals from one that is still on its way to its size.
    pub reached_size: i32,

    /// True once the cluster has served clients, and from then on. Until then it holds no data, so
    /// a first member that does not come up may be thrown away with its data; afterwards nothing
    /// that may be the last copy of the data is ever deleted.
    pub served: bool,

    /// How many recoveries from a lost quorum were begun.
    #[serde(skip_serializing_if = "is_zero")]
    pub recoveries: i32,

    /// The restore that is under way: which backup, and how far it is. Absent: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "RestoreStatus"))]
    pub restore: Option<RestoreStatus>,

    /// The restore that the data came from last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "LastRestoreStatus"))]
    pub last_restore: Option<LastRestoreStatus>,

    /// The highest revision that is known to have been used, as of the last restore: the next one
    /// goes on beyond it, so that no revision is used for two changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_revision: Option<i64>,

    /// The Service that clients connect to, in the cluster's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,

    /// Port of that Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_port: Option<i32>,

    /// The backups, while spec.backup is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(with = "BackupServiceStatus"))]
    pub backup_service_status: Option<BackupServiceStatus>,

    /// Available, Progressing, Degraded, Paused, BackupHealthy, Recovering, Unrecoverable,
    /// UnsupportedVersion and UnsupportedField, in Kubernetes' customary form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "crd",
        schemars(extend(
            "x-kubernetes-list-type" = "map",
            "x-kubernetes-list-map-keys" = ["type"]
        ))
    )]
    pub conditions: Vec<Condition>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// The state of a cluster in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum Phase {
    /// Has not served yet.
    Creating,
    /// As the spec says.
    Running,
    /// Members are being added or removed because `size` says so.
    Scaling,
    /// A member is down or being replaced; the others hold a quorum.
    Healing,
    /// No majority of members answers, but their data is not known to be gone.
    NoQuorum,
    /// The data of a majority is gone, and somebody is waited for.
    QuorumLost,
    /// It is made anew from a backup, since the data of a majority is gone.
    Recovering,
    /// The data of a majority is gone and there is no backup to restore. Everything is kept.
    Unrecoverable,
    /// The spec says paused.
    Paused,
    /// A person has to change something.
    Failed,
    /// A phase that a newer operator wrote. It is read, so that going back to an older operator
    /// works, and never written.
    #[serde(other)]
    #[cfg_attr(feature = "crd", schemars(skip))]
    Unknown,
}

impl Phase {
    /// The word as the API writes it, for metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Running => "Running",
            Self::Scaling => "Scaling",
            Self::Healing => "Healing",
            Self::NoQuorum => "NoQuorum",
            Self::QuorumLost => "QuorumLost",
            Self::Recovering => "Recovering",
            Self::Unrecoverable => "Unrecoverable",
            Self::Paused => "Paused",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }
}

/// Names of the members, by readiness. The form is the seed's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct MembersStatus {
    /// Members that serve clients.
    pub ready: Vec<String>,
    /// Members that do not.
    pub unready: Vec<String>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct MemberStatus {
    /// Name of the member and of its pod.
    pub name: String,

    /// etcd's own ID of the member, in hexadecimal as etcdctl prints it. Absent: etcd does not
    /// list the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Leader, Follower, Learner (receives the data, does not vote yet), Unstarted (added to
    /// etcd, never started), or Unknown when the member does not answer.
    pub role: Role,

    /// Healthy: serves clients. Unhealthy: does not, and message says why. Unknown: it could not
    /// be asked.
    pub health: Health,

    /// Why the member is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// etcd version of the member, without v.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Size of the member's database file, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub db_size_bytes: Option<i64>,

    /// Node on which the member's pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,

    /// Since when health is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// Part that a member plays in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum Role {
    /// Leads.
    Leader,
    /// Votes and follows.
    Follower,
    /// Receives the data, does not vote yet.
    Learner,
    /// Added to etcd, never started.
    Unstarted,
    /// Does not answer, or a role that a newer operator wrote.
    #[serde(other)]
    Unknown,
}

/// Whether a member serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum Health {
    /// Serves.
    Healthy,
    /// Does not serve.
    Unhealthy,
    /// Could not be asked, or a word that a newer operator wrote.
    #[serde(other)]
    Unknown,
}
