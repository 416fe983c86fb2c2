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

/// The backup sidecar: its Deployment, Service and `ConfigMap`.
pub fn backup_sidecar(cluster: &str) -> String {
    format!("{cluster}-backup-sidecar")
}

/// The claim of the backup volume. The name is the seed's; it outlives the cluster.
pub fn backup_claim(cluster: &str) -> String {
    format!("{cluster}-pvc")
}

/// The reader, which serves the backups that a new cluster is restored from: its pod, Service and
/// `ConfigMap`.
pub fn restore_reader(cluster: &str) -> String {
    format!("{cluster}-restore-reader")
}

/// Where the reader is asked for by name, and what its certificate names.
pub fn restore_reader_host(cluster: &str, namespace: &str) -> String {
    format!("{}.{namespace}.svc", restore_reader(cluster))
}

/// Secret with the reader's own certificate.
pub fn restore_reader_tls(cluster: &str) -> String {
    format!("{cluster}-restore-reader-tls")
}

/// Secret with the sidecar's own certificate.
pub fn backup_server_tls(cluster: &str) -> String {
    format!("{cluster}-backup-server-tls")
}

/// Secret with the certificate by which the operator, and a restore, call the sidecar.
pub fn backup_client_tls(cluster: &str) -> String {
    format!("{cluster}-backup-client-tls")
}

/// Secret with the copy of the store's credentials that the operator was started with.
pub fn backup_credentials(cluster: &str) -> String {
    format!("{cluster}-backup-credentials")
}

/// Secret with the operator's certificate authority, in the operator's namespace.
pub const OPERATOR_CA: &str = "etcd-operator-ca";

/// Where the sidecar is asked for by name, and what its certificate names first.
pub fn backup_sidecar_host(cluster: &str, namespace: &str) -> String {
    format!("{}.{namespace}.svc", backup_sidecar(cluster))
}

/// What the client certificate names: a sidecar serves the certificate of its own cluster only, since
/// one authority signs those of all.
pub fn backup_client_host(cluster: &str, namespace: &str) -> String {
    format!("{cluster}-backup-client.{namespace}.svc")
}

/// The `Backup` that records the stored backup of this ID.
pub fn backup_record(cluster: &str, id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("{cluster}-{}", id.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_still_makes_host_names() {
        let name = "k".repeat(CLUSTER_NAME_MAX);
        assert!(backup_sidecar(&name).len() <= 63);
        assert!(restore_reader(&name).len() <= 63);
    }

    #[test]
    fn a_record_is_named_by_its_backup_in_lower_case() {
        let name = backup_record("kv", "000000000000002a-20261122T164906Z");
        assert_eq!(name, "kv-000000000000002a-20261122t164906z");
    }
}
