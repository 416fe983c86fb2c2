//! The Secrets around the sidecar.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::build::metadata;
use crate::pki::Pair;
use crate::validate::Validated;

/// Type that Kubernetes gives to a certificate with its key.
const TLS_TYPE: &str = "kubernetes.io/tls";

/// A certificate with its key, and whom it trusts.
pub fn tls(cluster: &Validated, name: String, trusted: &str, pair: &Pair) -> Secret {
    let data = [
        ("ca.crt", trusted.as_bytes()),
        ("tls.crt", pair.certificate.as_bytes()),
        ("tls.key", pair.key.expose().as_bytes()),
    ];
    Secret {
        metadata: metadata(cluster, name),
        type_: Some(TLS_TYPE.into()),
        data: Some(data.map(|(key, value)| (key.to_owned(), ByteString(value.to_vec()))).into()),
        ..Secret::default()
    }
}

/// The copy of the store's credentials.
pub fn credentials(
    cluster: &Validated,
    name: String,
    data: BTreeMap<String, ByteString>,
) -> Secret {
    Secret {
        metadata: metadata(cluster, name),
        type_: Some("Opaque".into()),
        data: Some(data),
        ..Secret::default()
    }
}
