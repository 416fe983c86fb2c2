//! What the user wants, after validation.

use jiff::SignedDuration;

use crate::name::ClusterName;

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
}
