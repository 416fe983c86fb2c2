//! The objects as they are sent, whole: a change of one line must be seen and meant.

use api::v1beta1::Cluster;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use super::{Origin, Start, client_service, disruption_budget, headless_service, member_pod};
use crate::validate::{Validated, validate};

fn cluster() -> Validated {
    let cluster: Cluster = serde_json::from_value(json!({
        "apiVersion": "etcd.coreos.com/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
        "spec": {
            "size": 5,
            "version": "3.7.3",
            "pod": {
                "antiAffinity": true,
                "nodeSelector": {"disk": "ssd"},
                "labels": {"team": "till"},
                "annotations": {"example.com/cost": "7"},
                "resources": {"requests": {"memory": "512Mi"}}
            }
        }
    }))
    .unwrap();
    validate(&cluster)
}

#[test]
fn seed_pod() {
    insta::assert_yaml_snapshot!(member_pod(&cluster(), 0, &Start::Seed, "guard:1"));
}

#[test]
fn joiner_pod() {
    let start = Start::Joiner { initial: vec![0, 3, 7], ask: vec!["http://10.1.2.3:2380".into()] };
    insta::assert_yaml_snapshot!(member_pod(&cluster(), 7, &start, "guard:1"));
}

#[test]
fn restored_pod() {
    let origin = Origin {
        backup: "000000000000002a-20261124T030000Z".into(),
        manifest_digest: "ab".into(),
        from: "https://orders-backup-sidecar.shop.svc:19999".into(),
        uid: Some("u-0".into()),
        tls_secret: "orders-backup-client-tls".into(),
        raised_by: Some(1_000_000_058),
    };
    insta::assert_yaml_snapshot!(member_pod(&cluster(), 4, &Start::Restored(origin), "guard:1"));
}

#[test]
fn services() {
    insta::assert_yaml_snapshot!([headless_service(&cluster()), client_service(&cluster())]);
}

#[test]
fn budget_keeps_the_quorum() {
    insta::assert_yaml_snapshot!(disruption_budget(&cluster(), 0));
}

#[test]
fn budget_keeps_the_quorum_of_those_who_vote_and_of_those_who_shall() {
    for size in 1..=7 {
        for voters in 0..=7 {
            let mut cluster = cluster();
            cluster.desired.size = size;
            let spec = disruption_budget(&cluster, voters).spec.unwrap();
            let IntOrString::Int(least) = spec.min_available.unwrap() else {
                panic!("not a count")
            };
            let least = usize::try_from(least).unwrap();
            assert!(
                2 * least > size && 2 * least > voters,
                "{size} wanted, {voters} vote: {least}"
            );
            assert!(2 * (least - 1) <= size.max(voters), "{size} wanted, {voters} vote: {least}");
        }
    }
}

#[test]
fn the_users_labels_never_hide_the_operators() {
    let mut cluster = cluster();
    cluster.pod.labels.insert("app".into(), "mine".into());
    cluster.pod.annotations.insert("etcd.version".into(), "mine".into());
    let pod = member_pod(&cluster, 0, &Start::Seed, "guard:1");
    assert_eq!(pod.metadata.labels.unwrap()["app"], "etcd");
    assert_eq!(pod.metadata.annotations.unwrap()["etcd.version"], "3.7.3");
}

#[test]
fn anti_affinity_is_added_to_the_users_affinity() {
    let mut cluster = cluster();
    cluster.pod.affinity = Some(
        serde_json::from_value(json!({"podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]
        }}))
        .unwrap(),
    );
    let pod = member_pod(&cluster, 0, &Start::Seed, "guard:1");
    let anti = pod.spec.unwrap().affinity.unwrap().pod_anti_affinity.unwrap();
    let terms = anti.required_during_scheduling_ignored_during_execution.unwrap();
    let keys: Vec<_> = terms.iter().map(|term| term.topology_key.as_str()).collect();
    assert_eq!(keys, ["rack", "kubernetes.io/hostname"]);
}

/// A `ResourceQuota` on requests or limits refuses a pod of which one container names none.
#[test]
fn only_etcds_own_resources_are_the_users_to_name() {
    let pod = member_pod(&cluster(), 0, &Start::Seed, "guard:1").spec.unwrap();
    for container in pod.init_containers.unwrap() {
        let resources = container.resources.unwrap();
        for named in [resources.requests.unwrap(), resources.limits.unwrap()] {
            let keys: Vec<&str> = named.keys().map(String::as_str).collect();
            assert_eq!(keys, ["cpu", "memory"], "{}", container.name);
        }
    }
}
