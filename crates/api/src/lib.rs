//! What a person writes and reads through the Kubernetes API, and every name this system gives.
//!
//! Plain serde types: whoever reads a `Cluster` needs nothing but this crate. The feature `crd`
//! adds the root type, its schema and its validation rules, and with them the Kubernetes client's
//! derive macros; the operator and xtask alone switch it on.
//!
//! Constants that two programs must agree on (labels, ports, condition types, object names) stand
//! here once. Nothing here decides anything or talks to anyone.

pub mod annotations;
pub mod condition;
pub mod duration;
pub mod finalizers;
pub mod image;
pub mod labels;
pub mod objects;
pub mod ports;
pub mod restore;
pub mod sidecar;
pub mod v1beta1;

#[cfg(feature = "crd")]
pub mod crd;

/// The one field manager under which the operator applies objects.
pub const FIELD_MANAGER: &str = "etcd-operator";
