//! Which etcd runs when a spec does not say.

/// Where etcd's images come from when `spec.repository` is absent; the seed's repository.
pub const DEFAULT_REPOSITORY: &str = "quay.io/coreos/etcd";

/// The version a new cluster gets when `spec.version` is absent: the newest 3.6 that is tested.
/// It is chosen once, at creation, and recorded in `status.currentVersion`, so that a newer
/// operator upgrades nobody unasked.
pub use planner::version::DEFAULT as DEFAULT_VERSION;

/// The oldest version that is run. From 3.5.11 the probes `/livez` and `/readyz` exist.
pub use planner::version::LOWEST as OLDEST_VERSION;

/// The image of an etcd version given without `v`. Upstream's tags have the `v`.
pub fn reference(repository: &str, version: &str) -> String {
    format!("{repository}:v{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_version_with_a_v() {
        assert_eq!(reference(DEFAULT_REPOSITORY, "3.6.16"), "quay.io/coreos/etcd:v3.6.16");
    }
}
