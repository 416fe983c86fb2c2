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

/// The member of this number, which is its pod too. Numbers are never reused within a cluster.
pub fn member(cluster: &str, number: i32) -> String {
    format!("{cluster}-{number:04}")
}

/// The number in a member's name, or `None` when `member` is not a name that [`member`] gives.
pub fn member_number(cluster: &str, name: &str) -> Option<i32> {
    let number = name.strip_prefix(cluster)?.strip_prefix('-')?.parse().ok()?;
    // The way back refuses other spellings of the number, such as 1, 00001 and +001.
    (number >= 0 && member(cluster, number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_names_read_back() {
        for number in [0, 7, 9999, 10_000, i32::MAX] {
            assert_eq!(member_number("kv", &member("kv", number)), Some(number));
        }
    }

    #[test]
    fn foreign_names_have_no_number() {
        for name in ["kv", "kv-", "kv-1", "kv-00001", "kv--001", "kv-+001", "kv-000x", "other-0001"]
        {
            assert_eq!(member_number("kv", name), None, "{name}");
        }
    }

    #[test]
    fn a_cluster_whose_name_ends_like_a_member_is_not_mixed_up() {
        assert_eq!(member_number("kv", "kv-0001-0002"), None);
        assert_eq!(member_number("kv-0001", "kv-0001-0002"), Some(2));
    }
}
