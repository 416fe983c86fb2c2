//! Port numbers.

/// etcd's client port.
pub const CLIENT: u16 = 2379;

/// etcd's peer port.
pub const PEER: u16 = 2380;

/// etcd's `--listen-metrics-urls`: metrics and the probes, plain HTTP, no data. The kubelet has
/// no client certificate, so probes must not depend on the client port.
pub const METRICS: u16 = 2381;

/// The operator's probes and metrics.
pub const OPERATOR: u16 = 8080;

/// The backup sidecar's API; the number is the seed's.
pub const SIDECAR: u16 = 19999;

/// The sidecar's probes and metrics, plain HTTP.
pub const SIDECAR_HEALTH: u16 = 8080;

/// Name of [`CLIENT`] in pods and services.
pub const CLIENT_NAME: &str = "client";

/// Name of [`PEER`] in pods and services.
pub const PEER_NAME: &str = "peer";

/// Name of [`METRICS`] in pods and services.
pub const METRICS_NAME: &str = "metrics";
