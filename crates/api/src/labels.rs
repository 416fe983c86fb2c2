//! Labels on every object of a cluster, and the selectors made of them.
//!
//! `app`, `etcd_cluster` and `etcd_node` are the seed's: dashboards and network policies that
//! select by them keep working. The `app.kubernetes.io/*` set is Kubernetes' recommended one.

use std::collections::BTreeMap;

/// The seed's label that all objects of all clusters share.
pub const APP: &str = "app";

/// Value of [`APP`] on members and on the objects around them.
pub const APP_ETCD: &str = "etcd";

/// Name of the cluster an object belongs to.
pub const CLUSTER: &str = "etcd_cluster";

/// Name of the member, on its pod and its volume.
pub const NODE: &str = "etcd_node";

/// Recommended label: the program.
pub const NAME: &str = "app.kubernetes.io/name";

/// Recommended label: the cluster's name.
pub const INSTANCE: &str = "app.kubernetes.io/instance";

/// Recommended label: the part of the cluster, for example [`COMPONENT_MEMBER`].
pub const COMPONENT: &str = "app.kubernetes.io/component";

/// Value of [`COMPONENT`] on etcd members.
pub const COMPONENT_MEMBER: &str = "member";

/// Value of [`COMPONENT`] on a first member that is made from a backup, until the restore is finished:
/// no service leads to it before.
pub const COMPONENT_RESTORING: &str = "restoring-member";

/// Value of [`APP`] on the backup sidecar's pod, which is the seed's: no selector of members hits it.
pub const APP_BACKUP: &str = "etcd_backup_tool";

/// Value of [`COMPONENT`] on the backup sidecar.
pub const COMPONENT_BACKUP: &str = "backup-sidecar";

/// Value of [`COMPONENT`] on the reader that a restore gets its backup from.
pub const COMPONENT_READER: &str = "restore-reader";

/// Recommended label: what manages the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_OPERATOR: &str = "etcd-operator";

/// UID of the cluster an object belongs to. Tells the objects of a cluster from those of an
/// earlier one of the same name, which may still be on their way out.
pub const CLUSTER_UID: &str = "etcd.coreos.com/cluster-uid";

/// The labels of every object of the cluster of this name and UID.
pub fn of_cluster(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    pairs([
        (APP, APP_ETCD),
        (CLUSTER, cluster),
        (CLUSTER_UID, uid),
        (NAME, APP_ETCD),
        (INSTANCE, cluster),
        (MANAGED_BY, MANAGED_BY_OPERATOR),
    ])
}

/// The labels of the pod of `member`, a member of `cluster`.
pub fn of_member(cluster: &str, uid: &str, member: &str) -> BTreeMap<String, String> {
    let mut labels = of_cluster(cluster, uid);
    labels.extend(pairs([(NODE, member), (COMPONENT, COMPONENT_MEMBER)]));
    labels
}

/// The labels of a member that is made from a backup, until the restore is finished.
pub fn of_restoring_member(cluster: &str, uid: &str, member: &str) -> BTreeMap<String, String> {
    let mut labels = of_member(cluster, uid, member);
    labels.extend(pairs([(COMPONENT, COMPONENT_RESTORING)]));
    labels
}

/// What services and the disruption budget select: the members of `cluster` and no other pod of
/// it, nor of an earlier cluster of its name.
pub fn member_selector(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    pairs([(APP, APP_ETCD), (CLUSTER, cluster), (CLUSTER_UID, uid), (COMPONENT, COMPONENT_MEMBER)])
}

/// [`member_selector`] in the text form that the scale subresource and `kubectl -l` take.
pub fn member_selector_text(cluster: &str, uid: &str) -> String {
    member_selector(cluster, uid)
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// The labels of the backup sidecar's pod.
pub fn of_sidecar(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    let mut labels = of_cluster(cluster, uid);
    labels.extend(pairs([(APP, APP_BACKUP), (COMPONENT, COMPONENT_BACKUP)]));
    labels
}

/// What the sidecar's Deployment and Service select.
pub fn sidecar_selector(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    pairs([(APP, APP_BACKUP), (CLUSTER, cluster), (CLUSTER_UID, uid)])
}

/// The labels of the pod of a restore's reader. It is watched with the members and is none of them.
pub fn of_reader(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    let mut labels = of_cluster(cluster, uid);
    labels.extend(pairs([(COMPONENT, COMPONENT_READER)]));
    labels
}

/// What the Service of a restore's reader selects.
pub fn reader_selector(cluster: &str, uid: &str) -> BTreeMap<String, String> {
    pairs([(APP, APP_ETCD), (CLUSTER, cluster), (CLUSTER_UID, uid), (COMPONENT, COMPONENT_READER)])
}

/// The labels of what outlives the cluster and is adopted by the next one of its name: the claim of
/// the backup volume. Those by which it is known again are the seed's.
pub fn of_claim(cluster: &str) -> BTreeMap<String, String> {
    pairs([
        (APP, APP_ETCD),
        (CLUSTER, cluster),
        (NAME, APP_ETCD),
        (INSTANCE, cluster),
        (COMPONENT, COMPONENT_BACKUP),
        (MANAGED_BY, MANAGED_BY_OPERATOR),
    ])
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_selected() {
        let member = of_member("kv", "u-7", "kv-0003");
        assert!(member_selector("kv", "u-7").iter().all(|(k, v)| member.get(k) == Some(v)));
        assert_eq!(member[NODE], "kv-0003");
    }

    #[test]
    fn no_service_leads_to_a_member_that_is_being_restored() {
        let member = of_restoring_member("kv", "u-7", "kv-0003");
        assert!(member_selector("kv", "u-7").iter().any(|(k, v)| member.get(k) != Some(v)));
        assert_eq!(member[NODE], "kv-0003");
    }

    #[test]
    fn the_sidecar_is_no_member() {
        let sidecar = of_sidecar("kv", "u-7");
        assert!(member_selector("kv", "u-7").iter().any(|(k, v)| sidecar.get(k) != Some(v)));
        assert!(sidecar_selector("kv", "u-7").iter().all(|(k, v)| sidecar.get(k) == Some(v)));
    }

    #[test]
    fn a_reader_is_no_member_and_its_service_leads_to_it() {
        let reader = of_reader("kv", "u-7");
        assert!(member_selector("kv", "u-7").iter().any(|(k, v)| reader.get(k) != Some(v)));
        assert!(reader_selector("kv", "u-7").iter().all(|(k, v)| reader.get(k) == Some(v)));
    }

    #[test]
    fn selector_text_is_what_kubectl_takes() {
        assert_eq!(
            member_selector_text("kv", "u-7"),
            "app=etcd,app.kubernetes.io/component=member,etcd.coreos.com/cluster-uid=u-7,\
             etcd_cluster=kv"
        );
    }
}
