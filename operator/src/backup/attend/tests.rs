//! Which calls the attendant makes, in which order, against a table of objects in the place of the
//! API server.

use std::collections::BTreeMap;

use futures::future::LocalBoxFuture;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use planner::{Membership, Observed, Record};
use serde_json::{Value, json};
use tower_test::mock;

use super::*;
use crate::backup::defaults::Volumes;
use crate::observe::EtcdView;
use crate::validate::validate;

const CLUSTER: &str = "/apis/etcd.coreos.com/v1beta1/namespaces/shop/clusters/orders";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets";
const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/orders-backup-sidecar";
const AUTHORITY: &str = "/api/v1/namespaces/ops/secrets/etcd-operator-ca";

/// The objects there are, by path, and the changes that were made, as method and path.
#[derive(Default)]
struct Table {
    objects: BTreeMap<String, Value>,
    changes: Vec<String>,
}

impl Table {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        if *method != Method::GET {
            self.changes.push(format!("{method} {path}"));
        }
        let missing = json!({"kind": "Status", "status": "Failure", "reason": "NotFound",
                             "code": 404, "message": "not found"});
        match *method {
            Method::GET => match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => (StatusCode::NOT_FOUND, missing),
            },
            Method::DELETE => {
                self.objects.remove(path);
                (StatusCode::OK, json!({"kind": "Status", "status": "Success"}))
            }
            Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap_or_default();
                self.objects.insert(format!("{path}/{name}"), body.clone());
                (StatusCode::CREATED, body)
            }
            _ => {
                let mut object = self.objects.remove(path).unwrap_or_else(|| json!({}));
                merge(&mut object, body);
                self.objects.insert(path.to_owned(), object.clone());
                (StatusCode::OK, object)
            }
        }
    }
}

fn merge(object: &mut Value, patch: Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, patch) => *object = patch,
    }
}

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
            source: planner::Source::Unresolved("no restore is wanted".into()),
        },
    }
}

/// Attends to a cluster on this table; what came of it, and the table afterwards.
fn attend(
    object: Value,
    may_change: bool,
    table: Table,
) -> LocalBoxFuture<'static, (Attended, Table)> {
    Box::pin(attend_on(object, may_change, table))
}

async fn attend_on(object: Value, may_change: bool, mut table: Table) -> (Attended, Table) {
    table.objects.insert(CLUSTER.into(), object.clone());
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "shop");
    let (caches, _triggers) = Caches::watch(&client, Some("shop"));
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
    let serving = async {
        while let Some((request, respond)) = handle.next_request().await {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, answer) = table.answer(&parts.method, parts.uri.path(), body);
            let answer = Body::from(serde_json::to_vec(&answer).unwrap());
            respond.send_response(Response::builder().status(status).body(answer).unwrap());
        }
    };
    let attended = tokio::select! {
        attended = attendant.attend(&mut sight, may_change) => attended,
        () = serving => panic!("the server ended"),
    };
    (attended, table)
}

fn with(objects: &[(&str, Value)]) -> Table {
    let objects = objects.iter().map(|(path, object)| ((*path).to_owned(), object.clone()));
    Table { objects: objects.collect(), changes: Vec::new() }
}

#[tokio::test]
async fn a_policy_brings_everything_about_in_the_order_in_which_it_is_needed() {
    let (attended, table) = attend(cluster(&on_volume(), &[]), true, Table::default()).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(
        table.changes,
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
    let finalizers = &table.objects[CLUSTER]["metadata"]["finalizers"];
    assert_eq!(*finalizers, json!(["etcd.coreos.com/final-backup"]));
    assert_eq!(
        table.objects[&format!("{CLAIMS}/orders-pvc")]["metadata"]["ownerReferences"],
        Value::Null
    );
}

#[tokio::test]
async fn what_is_there_already_is_not_made_again() {
    let (_, mut table) = attend(cluster(&on_volume(), &[]), true, Table::default()).await;
    let certificate = table.objects[&format!("{SECRETS}/orders-backup-server-tls")].clone();
    let authority = table.objects[AUTHORITY].clone();
    table.changes.clear();
    let marked = table.objects[CLUSTER].clone();
    let (attended, table) = attend(marked, true, table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(table.objects[AUTHORITY], authority);
    assert_eq!(table.objects[&format!("{SECRETS}/orders-backup-server-tls")], certificate);
    assert!(!table.changes.iter().any(|change| change.contains(CLAIMS)), "{:?}", table.changes);
}

#[tokio::test]
async fn the_claim_of_an_earlier_cluster_is_adopted_and_one_of_somebody_else_is_not() {
    let claim = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
            "name": "orders-pvc", "namespace": "shop", "uid": "pvc-1", "labels": labels}})
    };
    let path = format!("{CLAIMS}/orders-pvc");
    let seeds = claim(json!({"app": "etcd", "etcd_cluster": "orders"}));
    let (attended, table) =
        attend(cluster(&on_volume(), &[]), true, with(&[(&path, seeds.clone())])).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(table.objects[&path], seeds);

    let foreign = claim(json!({"app": "photos"}));
    let (attended, table) =
        attend(cluster(&on_volume(), &[]), true, with(&[(&path, foreign.clone())])).await;
    assert!(matches!(attended.trouble, Some(Error::Clash { .. })), "{:?}", attended.trouble);
    assert_eq!(table.objects[&path], foreign);
    assert!(!table.objects.contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn without_the_credentials_that_the_policy_names_nothing_is_started() {
    let spec = json!({"size": 3, "backup": {"storageType": "S3",
                      "s3": {"bucket": "backups", "credentialsSecret": "keys"}}});
    let (attended, table) = attend(cluster(&spec, &[]), true, Table::default()).await;
    let told = attended.trouble.unwrap().sentence();
    assert!(told.starts_with("Secret keys is missing; spec.backup names it"), "{told}");
    assert!(!table.objects.contains_key(DEPLOYMENT));
}

#[tokio::test]
async fn an_end_of_the_policy_removes_what_is_ours_and_leaves_the_claim_and_the_rest() {
    let foreign = format!("{SECRETS}/orders-backup-client-tls");
    let ours = format!("{SECRETS}/orders-backup-server-tls");
    let claim = format!("{CLAIMS}/orders-pvc");
    let table = with(&[
        (DEPLOYMENT, owned("Deployment", "orders-backup-sidecar", "u-1")),
        (&ours, owned("Secret", "orders-backup-server-tls", "u-1")),
        (&foreign, owned("Secret", "orders-backup-client-tls", "u-0")),
        (&claim, owned("PersistentVolumeClaim", "orders-pvc", "u-1")),
    ]);
    let object = cluster(&json!({"size": 3}), &["other/one", "etcd.coreos.com/final-backup"]);
    let (attended, table) = attend(object, true, table).await;
    assert!(attended.trouble.is_none(), "{:?}", attended.trouble);
    assert_eq!(
        table.changes,
        [format!("DELETE {DEPLOYMENT}"), format!("DELETE {ours}"), format!("PATCH {CLUSTER}")]
    );
    assert!(table.objects.contains_key(&foreign) && table.objects.contains_key(&claim));
    assert_eq!(table.objects[CLUSTER]["metadata"]["finalizers"], json!(["other/one"]));
}

#[tokio::test]
async fn while_nothing_may_be_changed_nothing_is() {
    let (_, table) = attend(cluster(&on_volume(), &[]), false, Table::default()).await;
    assert_eq!(table.changes, Vec::<String>::new());
    let leaving = cluster(&json!({"size": 3}), &["etcd.coreos.com/final-backup"]);
    let (_, table) = attend(leaving, false, Table::default()).await;
    assert_eq!(table.changes, Vec::<String>::new());
}

#[tokio::test]
async fn a_policy_that_cannot_be_carried_out_changes_nothing() {
    let spec = json!({"size": 3, "backup": {"storageType": "S3", "s3": {}}});
    let (attended, table) = attend(cluster(&spec, &[]), true, Table::default()).await;
    assert!(matches!(attended.wanted, Wanted::Invalid(_)), "{:?}", attended.wanted);
    assert_eq!(table.changes, Vec::<String>::new());
}
