//! What the user wants, after validation.

use jiff::SignedDuration;

use crate::name::ClusterName;

/// The annotation on the Cluster by which a person lets a recovery go on. Its value is the one
/// that the status names ([`crate::approval`]).
pub const APPROVAL: &str = "etcd.coreos.com/recover";

/// The wanted cluster, as far as decisions depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Which cluster; only sentences depend on it.
    pub cluster: ClusterName,
    /// Wanted number of voting members, 1 to 7.
    pub size: usize,
    /// Nothing is changed while true.
    pub paused: bool,
    /// How long a member may be failed, crash-looping or on a node that is away before it is
    /// replaced (`spec.recovery.replaceAfter`).
    pub replace_after: SignedDuration,
    /// A new cluster gets its data from a backup (`spec.restore`). Of no meaning once it served.
    pub from_backup: bool,
    /// Whether a lost quorum is answered without a person (`spec.recovery.quorumLoss`).
    pub quorum_loss: QuorumLoss,
    /// The value of the annotation [`APPROVAL`].
    pub approved: Option<String>,
}

/// Who begins a recovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QuorumLoss {
    /// The operator, on evidence.
    #[default]
    Automatic,
    /// The operator, once a person has approved it.
    Manual,
}
