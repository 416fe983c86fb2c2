//! TLS policy: the certificates of members and of the operator.

use serde::{Deserialize, Serialize};

#[cfg(feature = "crd")]
use super::rules;

/// Where certificates come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = rules::TLS)))]
pub struct TlsPolicy {
    /// Certificates that you make and renew, in Secrets.
    #[serde(rename = "static", default, skip_serializing_if = "Option::is_none")]
    pub static_tls: Option<StaticTls>,
}

/// Certificates that the user makes and renews.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct StaticTls {
    /// Secrets of the members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberSecrets>,

    /// Secret with the certificate that the operator shows to members as their client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub operator_secret: Option<String>,
}

/// Secrets of the members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub struct MemberSecrets {
    /// Secret with the certificate that members show to each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub peer_secret: Option<String>,

    /// Secret with the certificate that members show to clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "crd",
        schemars(length(max = 253), extend("x-kubernetes-validations" = rules::SECRET_NAME))
    )]
    pub client_secret: Option<String>,
}
