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
    fn selector_text_is_what_kubectl_takes() {
        assert_eq!(
            member_selector_text("kv", "u-7"),
            "app=etcd,app.kubernetes.io/component=member,etcd.coreos.com/cluster-uid=u-7,\
             etcd_cluster=kv"
        );
    }
}
