//! Names of the objects of a cluster.
//!
//! Each is the cluster's name and a suffix, so the longest suffix decides how long a cluster's
//! name may be: see [`CLUSTER_NAME_MAX`].

/// Longest name of a cluster, in characters. A name becomes a DNS label (63 at most) together
/// with the longest suffix (`-backup-sidecar`, 15).
pub const CLUSTER_NAME_MAX: usize = 48;

/// The headless service: DNS names of the members.
pub fn headless_service(cluster: &str) -> String {
    cluster.to_owned()
}

/// The service that clients use.
pub fn client_service(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// The pod disruption budget.
pub fn disruption_budget(cluster: &str) -> String {
    cluster.to_owned()
}
