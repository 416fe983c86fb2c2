//! Self-hosted mode: an etcd on the Kubernetes that it serves.

use serde::{Deserialize, Serialize};

/// An etcd on the Kubernetes that it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct SelfHostedPolicy {
    /// Client URL of the one-member etcd to move from. Empty: a new cluster.
    #[serde(default)]
    #[cfg_attr(feature = "crd", schemars(length(max = 2048)))]
    pub boot_member_client_endpoint: String,
}
