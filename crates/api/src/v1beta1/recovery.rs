//! Recovery policy: what is done about members that fail, and how soon.

use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// What is done about members that fail, and how soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct RecoveryPolicy {
    /// When the data of a majority of members is gone: Automatic restores the newest backup,
    /// Manual changes nothing and waits for a person.
    pub quorum_loss: QuorumLossPolicy,

    /// How long a member may be failed, crash-looping or on a node that is away before another
    /// takes its place, such as 90s, 5m or 1h30m. It is replaced only while the others hold a
    /// healthy quorum. A member whose pod and data are gone is replaced at once.
    pub replace_after: Duration,
}

impl Default for RecoveryPolicy {
    fn default() -> Self {
        Self { quorum_loss: QuorumLossPolicy::default(), replace_after: Duration::FIVE_MINUTES }
    }
}

/// What happens when the data of a majority of members is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum QuorumLossPolicy {
    /// The newest backup is restored.
    #[default]
    Automatic,
    /// Nothing is changed until a person decides.
    Manual,
}
