//! Which etcd runs when a spec does not say.

/// Where etcd's images come from when `spec.repository` is absent; the seed's repository.
pub const DEFAULT_REPOSITORY: &str = "quay.io/coreos/etcd";

/// The version a new cluster gets when `spec.version` is absent: the newest 3.6 that is tested.
/// It is chosen once, at creation, and recorded in `status.currentVersion`, so that a newer
/// operator upgrades nobody unasked.
pub const DEFAULT_VERSION: &str = "3.6.16";

/// The oldest version that is run. From 3.5.11 the probes `/livez` and `/readyz` exist.
pub const OLDEST_VERSION: &str = "3.5.11";

/// The image of an etcd version given without `v`. Upstream's tags have the `v`.
pub fn reference(repository: &str, version: &str) -> String {
    format!("{repository}:v{version}")
}
