//! Which calls the attendant makes, in which order, against a table of objects in the place of the
//! API server.

use std::collections::BTreeMap;

use futures::future::LocalBoxFuture;
use http::StatusCode;
use planner::{Membership, Observed, Record};
use serde_json::{Value, json};

use super::*;
use crate::backup::defaults::{Defaults, Volumes};
use crate::backup::links::Links;
use crate::backup::table::Table;
use crate::observe::EtcdView;
use crate::validate::validate;

const CLUSTER: &str = "/apis/etcd.coreos.com/v1beta1/namespaces/shop/clusters/orders";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/orders-backup-sidecar";
const AUTHORITY: &str = "/api/v1/namespaces/ops/secrets/etcd-operator-ca";

fn cluster(spec: &Value, finalizers: &[&str]) -> Value {
    json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "41",
                     "finalizers": finalizers},
        "spec": spec, "status": {"served": true},
    })
}

fn on_volume() -> Value {
    json!({"size": 3, "backup": {"pv": {"volumeSizeInMB": 512}}})
}

fn owned(kind: &str, name: &str, uid: &str) -> Value {
    let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    json!({"apiVersion": version, "kind": kind, "metadata": {
        "name": name, "namespace": "shop", "uid": format!("o-{name}"), "ownerReferences": [
            {"apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster", "name": "orders", "uid": uid}
        ]
    }})
}

fn sight(cluster: &Value) -> Sight {
    let cluster: api::v1beta1::Cluster = serde_json::from_value(cluster.clone()).unwrap();
    Sight {
        name: validate(&cluster).name,
        cluster: Arc::new(cluster),
        pods: BTreeMap::new(),
        etcd: EtcdView { answers: BTreeMap::new(), list: None },
        observed: Observed {
            record: Record::default(),
            pods: BTreeMap::new(),
            membership: Membership::Unknown,
            stranded: BTreeMap::new(),
            archive: planner::Archive::NoPolicy,
            source: planner::Source::None,
        },
        chosen: None,
    }
}

/// Attends to a cluster on this table, as a replica that has just begun.
fn attend(object: Value, may_change: bool, table: &Table) -> LocalBoxFuture<'_, Attended> {
    Box::pin(attend_on(object, may_change, table))
}

async fn attend_on(object: Value, may_change: bool, table: &Table) -> Attended {
    table.put(CLUSTER, object.clone());
    let (client, _server) = table.serve();
    let (caches, _triggers) = Caches::watch(&client, Some("shop"), false);
    let (links, _news) = Links::new();
    let defaults = Defaults {
        namespace: "ops".into(),
        sidecar_image: "sidecar:1".into(),
        bucket: None,
        volumes: Volumes::DefaultClass,
    };
    let room = Room::new(defaults, links);
    let mut sight = sight(&object);
    let validated = validate(&sight.cluster);
    let attendant =
        Attendant { client: &client, caches: &caches, room: &room, cluster: &validated };
    attendant.attend(&mut sight, may_change).await
}

#[tokio::test]
async fn a_policy_brings_everything_about_in_the_order_in_which_it_is_needed() {
    let table = Table::default();
    let attended = attend(cluster(&on_volume(), &[]), true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(
        table.changes(),
        [
            format!("PATCH {CLUSTER}"),
            "POST /api/v1/namespaces/ops/secrets".into(),
            format!("PATCH {SECRETS}/orders-backup-server-tls"),
            format!("PATCH {SECRETS}/orders-backup-client-tls"),
            format!("POST {CLAIMS}"),
            "PATCH /api/v1/namespaces/shop/configmaps/orders-backup-sidecar".into(),
            "PATCH /api/v1/namespaces/shop/services/orders-backup-sidecar".into(),
            format!("PATCH {DEPLOYMENT}"),
        ]
    );
    let finalizers = &table.get(CLUSTER).unwrap()["metadata"]["finalizers"];
    assert_eq!(*finalizers, json!(["etcd.coreos.com/final-backup"]));
    let claim = table.get(&format!("{CLAIMS}/orders-pvc")).unwrap();
    assert_eq!(claim["metadata"]["ownerReferences"], Value::Null);
}

#[tokio::test]
async fn what_is_there_already_is_not_made_again() {
    let table = Table::default();
    attend(cluster(&on_volume(), &[]), true, &table).await;
    let server = format!("{SECRETS}/orders-backup-server-tls");
    let (certificate, authority) = (table.get(&server), table.get(AUTHORITY));
    table.changes();
    let marked = table.get(CLUSTER).unwrap();
    let attended = attend(marked, true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(table.get(AUTHORITY), authority);
    assert_eq!(table.get(&server), certificate);
    let changes = table.changes();
    assert!(!changes.iter().any(|change| change.contains(CLAIMS)), "{changes:?}");
}

#[tokio::test]
async fn times_that_cannot_be_read_start_no_sidecar_and_leave_one_as_it_is() {
    let spoilt = |mut cluster: Value| {
        cluster["spec"]["backup"]["schedule"] = json!("0 25 * * *");
        cluster
    };
    let table = Table::default();
    let attended = attend(spoilt(cluster(&on_volume(), &[])), true, &table).await;
    assert!(matches!(attended.wanted, Wanted::Invalid(_)), "{:?}", attended.wanted);
    assert_eq!(table.changes(), Vec::<String>::new());

    attend(cluster(&on_volume(), &[]), true, &table).await;
    let sidecar = table.get(DEPLOYMENT);
    table.changes();
    let attended = attend(spoilt(table.get(CLUSTER).unwrap()), true, &table).await;
    assert!(matches!(attended.wanted, Wanted::Invalid(_)), "{:?}", attended.wanted);
    assert_eq!(table.changes(), Vec::<String>::new());
    assert!(sidecar.is_some() && table.get(DEPLOYMENT) == sidecar);
}

#[tokio::test]
async fn the_claim_of_an_earlier_cluster_is_adopted_and_one_of_somebody_else_is_not() {
    let claim = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "orders-pvc", "namespace": "shop", "uid": "pvc-1", "labels": labels}})
    };
    let path = format!("{CLAIMS}/orders-pvc");
    let seeds = claim(json!({"app": "etcd", "etcd_cluster": "orders"}));
    let table = Table::with(&[(&path, seeds.clone())]);
    let attended = attend(cluster(&on_volume(), &[]), true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(table.get(&path), Some(seeds));

    let foreign = claim(json!({"app": "photos"}));
    let table = Table::with(&[(&path, foreign.clone())]);
    let attended = attend(cluster(&on_volume(), &[]), true, &table).await;
    assert!(matches!(attended.trouble, Some(Error::Clash { .. })), "{:?}", attended.trouble);
    assert_eq!(table.get(&path), Some(foreign));
    assert!(table.get(DEPLOYMENT).is_none());
}

/// A claim of 64Mi with a volume behind it.
fn bound_claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "orders-pvc", "namespace": "shop", "uid": "pvc-1",
                     "resourceVersion": "7", "labels": {"app": "etcd", "etcd_cluster": "orders"}},
        "spec": {"resources": {"requests": {"storage": "64Mi"}}},
        "status": {"phase": "Bound"},
    })
}

#[tokio::test]
async fn a_volume_grows_with_the_policy() {
    let path = format!("{CLAIMS}/orders-pvc");
    let table = Table::with(&[(&path, bound_claim())]);
    let attended = attend(cluster(&on_volume(), &[]), true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(attended.shortage, None);
    let claim = table.get(&path).unwrap();
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "512Mi");
}

#[tokio::test]
async fn a_volume_that_cannot_grow_is_told_and_the_sidecar_runs_all_the_same() {
    let path = format!("{CLAIMS}/orders-pvc");
    let table = Table::with(&[(&path, bound_claim())]);
    table.refuse(&format!("PATCH {path}"), StatusCode::FORBIDDEN, "the class cannot expand");
    let attended = attend(cluster(&on_volume(), &[]), true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    let told = attended.shortage.unwrap();
    assert!(told.contains("stays at 64Mi"), "{told}");
    assert!(told.contains("512Mi: the class cannot expand"), "{told}");
    assert!(table.get(DEPLOYMENT).is_some());
}

#[tokio::test]
async fn without_the_credentials_that_the_policy_names_nothing_is_started() {
    let spec = json!({"size": 3, "backup": {"storageType": "S3",
                      "s3": {"bucket": "backups", "credentialsSecret": "keys"}}});
    let table = Table::default();
    let attended = attend(cluster(&spec, &[]), true, &table).await;
    let told = attended.trouble.unwrap().sentence();
    assert!(told.starts_with("Secret keys is missing; spec.backup names it"), "{told}");
    assert!(table.get(DEPLOYMENT).is_none());
}

#[tokio::test]
async fn an_end_of_the_policy_removes_what_is_ours_and_leaves_the_claim_and_the_rest() {
    let foreign = format!("{SECRETS}/orders-backup-client-tls");
    let ours = format!("{SECRETS}/orders-backup-server-tls");
    let claim = format!("{CLAIMS}/orders-pvc");
    let table = Table::with(&[
        (DEPLOYMENT, owned("Deployment", "orders-backup-sidecar", "u-1")),
        (&ours, owned("Secret", "orders-backup-server-tls", "u-1")),
        (&foreign, owned("Secret", "orders-backup-client-tls", "u-0")),
        (&claim, owned("PersistentVolumeClaim", "orders-pvc", "u-1")),
    ]);
    let object = cluster(&json!({"size": 3}), &["other/one", "etcd.coreos.com/final-backup"]);
    let attended = attend(object, true, &table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(
        table.changes(),
        [format!("DELETE {DEPLOYMENT}"), format!("DELETE {ours}"), format!("PATCH {CLUSTER}")]
    );
    assert!(table.get(&foreign).is_some() && table.get(&claim).is_some());
    assert_eq!(table.get(CLUSTER).unwrap()["metadata"]["finalizers"], json!(["other/one"]));
}

#[tokio::test]
async fn while_nothing_may_be_changed_nothing_is() {
    let table = Table::default();
    attend(cluster(&on_volume(), &[]), false, &table).await;
    let leaving = cluster(&json!({"size": 3}), &["etcd.coreos.com/final-backup"]);
    attend(leaving, false, &table).await;
    assert_eq!(table.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_policy_that_cannot_be_carried_out_changes_nothing() {
    let spec = json!({"size": 3, "backup": {"storageType": "S3", "s3": {}}});
    let table = Table::default();
    let attended = attend(cluster(&spec, &[]), true, &table).await;
    assert!(matches!(attended.wanted, Wanted::Invalid(_)), "{:?}", attended.wanted);
    assert_eq!(table.changes(), Vec::<String>::new());
}
