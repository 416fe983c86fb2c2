//! Which calls a deletion makes, of the API server and of the sidecar, and that it always ends.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode as Code;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::announce::Announcer;
use crate::backup::client::tests::{pair, sidecar_on};
use crate::backup::defaults::{Defaults, Volumes};
use crate::backup::table::Table;
use crate::backup::{Links, Room, build};
use crate::caches::Caches;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::pki::{Authorities, Purpose};
use crate::watchdog::Watchdog;

const CLUSTER: &str = "/apis/etcd.coreos.com/v1beta1/namespaces/shop/clusters/orders";
const BACKUPS: &str = "/apis/etcd.coreos.com/v1beta1/namespaces/shop/backups";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/shop/events";
const SERVICE: &str = "/api/v1/namespaces/shop/services/orders-backup-sidecar";
const SECRET: &str = "/api/v1/namespaces/shop/secrets/orders-backup-client-tls";
const VOLUME: &str = "file:///var/lib/etcd-backups";
const CLAIM: &str = "/api/v1/namespaces/shop/persistentvolumeclaims/orders-pvc";

/// A cluster on its way out that has been waited for since so many seconds; `None`: it has just begun.
fn leaving(policy: &Value, waited: Option<i64>) -> Value {
    let mut status = json!({"served": true});
    if let Some(seconds) = waited {
        let since = clock::now() - SignedDuration::from_secs(seconds);
        let since = Timestamp::from_second(since.as_second()).unwrap();
        let last = json!({"lastProgress": since.to_string(), "received": 0, "failures": 0});
        status["backupServiceStatus"] =
            json!({"backups": 1, "backupSize": 1.0, "finalBackup": last});
    }
    json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "41",
                     "deletionTimestamp": "2026-11-24T03:00:00Z",
                     "finalizers": ["other/one", "etcd.coreos.com/final-backup"]},
        "spec": {"size": 1, "backup": policy}, "status": status,
    })
}

fn keeps() -> Value {
    json!({"pv": {"volumeSizeInMB": 64}})
}

fn cleans_up() -> Value {
    json!({"pv": {"volumeSizeInMB": 64}, "cleanupBackupsOnClusterDelete": true})
}

/// A stored backup as the sidecar lists it.
fn stored(id: &str) -> Value {
    json!({
        "id": id, "clusterUid": "u-1", "reason": "final", "etcdVersion": "3.6.16", "revision": 42,
        "compactRevision": 7, "rawSize": 20480, "storedSize": 9, "manifestDigest": "ab",
        "startTime": "2026-11-24T03:00:00Z", "finishTime": "2026-11-24T03:00:09Z",
        "location": "file:///var/lib/etcd-backups/v1/shop/orders/u-1",
    })
}

/// What the sidecar answers: method and path to status and body.
type Answers = fn(&str) -> (Code, Value);

type Log = Arc<Mutex<Vec<String>>>;

/// A sidecar, what it was asked, and the bodies that were sent with that.
struct Sidecar {
    asked: Log,
    bodies: Log,
    _server: AbortOnDropHandle<()>,
}

impl Sidecar {
    /// Starts one whose Service and certificate are on the table.
    async fn start(table: &Table, answers: Answers) -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        // The operator calls a fixed port, so each test has an address of its own.
        let ip = Ipv4Addr::new(127, high, low, NUMBER.fetch_add(1, Ordering::Relaxed));
        let tcp = TcpListener::bind((ip, api::ports::SIDECAR)).await.unwrap();
        let authorities = Authorities::first("etcd-operator", clock::now()).unwrap();
        let (asked, bodies) = (Log::default(), Log::default());
        let state = (Arc::clone(&asked), Arc::clone(&bodies), answers);
        let routes = Router::new().fallback(answer).with_state(state);
        let (_, server) = sidecar_on(tcp, &authorities, routes);
        let object: Cluster = serde_json::from_value(leaving(&keeps(), None)).unwrap();
        let cluster = validate(&object);
        let mut service = build::service(&cluster);
        service.spec.as_mut().unwrap().cluster_ip = Some(ip.to_string());
        table.put(SERVICE, serde_json::to_value(&service).unwrap());
        let own = pair(&authorities, "orders-backup-client.shop.svc", Purpose::Client);
        let name = "orders-backup-client-tls".to_owned();
        let secret = build::tls(&cluster, name, &authorities.trusted, &own);
        table.put(SECRET, serde_json::to_value(&secret).unwrap());
        Self { asked, bodies, _server: server }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn answer(
    State((asked, bodies, answers)): State<(Log, Log, Answers)>,
    request: Request<Body>,
) -> Response {
    let call = format!("{} {}", request.method(), request.uri().path());
    asked.lock().unwrap().push(call.clone());
    let sent = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    bodies.lock().unwrap().push(String::from_utf8(sent.to_vec()).unwrap());
    let (code, body) = answers(&call);
    (code, body.to_string()).into_response()
}

/// Says goodbye to the cluster on this table, as a replica that has just begun.
async fn look(table: &Table) -> Result<Action, Error> {
    look_of_one_that_began(clock::now(), table).await
}

/// The same as a replica that began then.
async fn look_of_one_that_began(started: Timestamp, table: &Table) -> Result<Action, Error> {
    let (client, _server) = table.serve();
    let (caches, triggers) = Caches::watch(&client, Some("shop"), false);
    let _watching = AbortOnDropHandle::new(tokio::spawn(async move {
        triggers.services.map(drop).collect::<()>().await;
    }));
    let services: &kube::runtime::reflector::Store<Service> = &caches.services;
    services.wait_until_ready().await.unwrap();
    let defaults = Defaults {
        namespace: "ops".into(),
        sidecar_image: "sidecar:1".into(),
        bucket: None,
        volumes: Volumes::DefaultClass,
    };
    let (links, _news) = Links::new();
    let mut registry = telemetry::Metrics::new("etcd_operator", "0.0.0");
    let ctx = Context {
        announcer: Announcer::new(&client, "one"),
        client,
        caches,
        filled: CancellationToken::new(),
        init_image: "guard:1".into(),
        backup: Room::new(defaults, links),
        started,
        metrics: Metrics::register(registry.registry()),
        pace: Pace::default(),
        absences: crate::observe::Absences::default(),
        watchdog: Watchdog::new(),
        rivals: crate::rival::Rivals::new(Some("shop"), "shop"),
    };
    let object = table.get(CLUSTER).unwrap();
    let guarded: GuardedCluster = serde_json::from_value(object).unwrap();
    Box::pin(farewell(&guarded, &ctx)).await
}

fn finalizers(table: &Table) -> Value {
    table.get(CLUSTER).unwrap()["metadata"]["finalizers"].clone()
}

/// Reasons and notes of the Events on the table.
fn told(table: &Table) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    table.list(EVENTS).iter().map(|event| (text(event, "reason"), text(event, "note"))).collect()
}

#[tokio::test]
async fn the_minute_begins_before_anything_is_asked_for() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), None))]);
    let sidecar = Sidecar::start(&table, |call| panic!("{call}")).await;
    look(&table).await.unwrap();
    assert_eq!(table.changes(), [format!("PUT {CLUSTER}/status")]);
    let status = &table.get(CLUSTER).unwrap()["status"];
    assert!(status["backupServiceStatus"]["finalBackup"]["lastProgress"].is_string(), "{status}");
    assert_eq!(sidecar.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_last_backup_is_ordered_recorded_and_told_before_the_cluster_goes() {
    let mut cluster = leaving(&keeps(), Some(5));
    cluster["status"]["clusterId"] = json!("a1");
    let table = Table::with(&[(CLUSTER, cluster)]);
    let sidecar = Sidecar::start(&table, |call| match call {
        "PUT /v1/requests/final-u-1-0" => {
            let order = json!({"id": "final-u-1-0", "state": "Stored", "received": 9,
                               "backup": stored("2a-20261124T030000Z")});
            (Code::OK, order)
        }
        "GET /v1/backups" => {
            (Code::OK, json!({"store": VOLUME, "backups": [stored("2a-20261124T030000Z")]}))
        }
        other => panic!("{other}"),
    });
    let sidecar = sidecar.await;
    look(&table).await.unwrap();
    assert_eq!(sidecar.asked()[..2], ["PUT /v1/requests/final-u-1-0", "GET /v1/backups"]);
    let order: Value = serde_json::from_str(&sidecar.bodies.lock().unwrap()[0]).unwrap();
    assert_eq!(order["etcdClusterId"], "a1", "the sidecar's file may be of before a recovery");
    assert_eq!(
        table.changes(),
        [
            format!("POST {BACKUPS}"),
            format!("PUT {BACKUPS}/orders-2a-20261124t030000z/status"),
            format!("POST {EVENTS}"),
            format!("PATCH {CLUSTER}"),
        ]
    );
    assert_eq!(told(&table)[0].0, "FinalBackupStored");
    assert_eq!(finalizers(&table), json!(["other/one"]), "another's finalizer is none of ours");
}

/// Each look is made by a replica that knows nothing but the table.
#[tokio::test]
async fn replicas_that_take_over_in_mid_farewell_ask_for_the_same_backup_and_count_the_same_minute()
{
    static RECEIVED: AtomicU8 = AtomicU8::new(0);
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), None))]);
    let sidecar = Sidecar::start(&table, |call| {
        let backup = stored("2a-20261124T030000Z");
        if call == "GET /v1/backups" {
            return (Code::OK, json!({"store": VOLUME, "backups": [backup]}));
        }
        let received = RECEIVED.fetch_add(5, Ordering::Relaxed);
        let state = if received < 10 { "Uploading" } else { "Stored" };
        let order = json!({"id": "final-u-1-0", "state": state, "received": received,
                           "backup": backup});
        (Code::OK, order)
    });
    let sidecar = sidecar.await;
    let last = |table: &Table| {
        table.get(CLUSTER).unwrap()["status"]["backupServiceStatus"]["finalBackup"].clone()
    };
    look(&table).await.unwrap();
    let begun = last(&table);
    assert!(sidecar.asked().is_empty(), "the minute begins before anything is asked for");
    look(&table).await.unwrap();
    assert_eq!(last(&table), begun, "nothing has come yet");
    look(&table).await.unwrap();
    assert_eq!(last(&table)["received"], 5);
    assert!(finalizers(&table).to_string().contains("final-backup"));
    look(&table).await.unwrap();
    assert_eq!(sidecar.asked()[..3], ["PUT /v1/requests/final-u-1-0"; 3]);
    assert_eq!(told(&table)[0].0, "FinalBackupStored");
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

#[tokio::test]
async fn times_that_cannot_be_read_do_not_cost_the_last_backup() {
    let mut policy = keeps();
    policy["schedule"] = json!("0 25 * * *");
    let table = Table::with(&[(CLUSTER, leaving(&policy, Some(5)))]);
    let sidecar = Sidecar::start(&table, |_| (Code::SERVICE_UNAVAILABLE, json!({})));
    let sidecar = sidecar.await;
    look(&table).await.unwrap();
    assert_eq!(sidecar.asked()[..1], ["PUT /v1/requests/final-u-1-0"]);
    assert!(finalizers(&table).to_string().contains("final-backup"));
}

#[tokio::test]
async fn an_order_that_failed_is_another_one_next_time_and_no_progress() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), Some(5)))]);
    let failed = |call: &str| {
        let id = call.rsplit('/').next().unwrap_or_default();
        let order = json!({"id": id, "state": "Failed", "received": 0, "message": "no bucket"});
        (Code::OK, order)
    };
    let sidecar = Sidecar::start(&table, failed).await;
    let began = table.get(CLUSTER).unwrap()["status"]["backupServiceStatus"]["finalBackup"].clone();
    look(&table).await.unwrap();
    look(&table).await.unwrap();
    let asked = sidecar.asked();
    assert_eq!(asked, ["PUT /v1/requests/final-u-1-0", "PUT /v1/requests/final-u-1-1"]);
    let known = table.get(CLUSTER).unwrap()["status"]["backupServiceStatus"]["finalBackup"].clone();
    assert_eq!((&known["failures"], &known["lastProgress"]), (&json!(2), &began["lastProgress"]));
    assert_eq!(finalizers(&table).as_array().unwrap().len(), 2, "it is still waited for");
}

#[tokio::test]
async fn what_was_not_saved_is_told_after_a_minute_and_the_cluster_goes() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), Some(30)))]);
    look(&table).await.unwrap();
    assert_eq!(table.changes(), Vec::<String>::new(), "half a minute is waited");

    table.put(CLUSTER, leaving(&keeps(), Some(61)));
    look(&table).await.unwrap();
    assert_eq!(table.changes(), [format!("POST {EVENTS}"), format!("PATCH {CLUSTER}")]);
    let told = told(&table);
    assert_eq!(told[0].0, "FinalBackupFailed");
    assert!(told[0].1.contains("was not saved"), "{told:?}");
    assert!(told[0].1.contains("no backup sidecar runs"), "{told:?}");
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

#[tokio::test]
async fn the_sentence_of_the_store_reaches_the_event() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), Some(61)))]);
    let failed = |_: &str| {
        let message = "the bucket backups does not exist";
        (Code::OK, json!({"id": "x", "state": "Failed", "received": 0, "message": message}))
    };
    let _sidecar = Sidecar::start(&table, failed).await;
    look(&table).await.unwrap();
    let told = told(&table);
    assert!(told[0].1.ends_with("the bucket backups does not exist"), "{told:?}");
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

#[tokio::test]
async fn an_event_that_is_refused_keeps_no_cluster() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), Some(61)))]);
    table.refuse(&format!("POST {EVENTS}"), Code::FORBIDDEN, "no events today");
    look(&table).await.unwrap();
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

/// An upload of which more comes each time.
fn uploading(call: &str) -> (Code, Value) {
    let id = call.rsplit('/').next().unwrap_or_default();
    (Code::OK, json!({"id": id, "state": "Uploading", "received": 9}))
}

#[tokio::test]
async fn a_deletion_of_which_nothing_can_be_remembered_is_bound_by_its_own_time() {
    for (is_refused, told_of) in [(false, "apply deploy/crds"), (true, "no status today")] {
        let table = Table::with(&[(CLUSTER, leaving(&keeps(), None))]);
        if is_refused {
            table.refuse(&format!("PUT {CLUSTER}/status"), Code::FORBIDDEN, "no status today");
        } else {
            table.drop_field("/status/backupServiceStatus", "finalBackup");
        }
        let sidecar = Sidecar::start(&table, uploading).await;
        assert_eq!(look(&table).await.unwrap(), Action::requeue(AGAIN));
        assert_eq!(sidecar.asked(), ["PUT /v1/requests/final-u-1-0"], "it is asked all the same");
        assert_eq!(finalizers(&table).as_array().unwrap().len(), 2);
        let early = clock::now() - SignedDuration::from_secs(301);
        look_of_one_that_began(early, &table).await.unwrap();
        assert_eq!(finalizers(&table), json!(["other/one"]));
        let told = told(&table);
        assert!(told[0].1.contains("not saved") && told[0].1.contains(told_of), "{told:?}");
    }
}

#[tokio::test]
async fn with_nothing_to_save_it_goes_at_once() {
    let invalid = json!({"storageType": "S3", "s3": {}});
    let mut unserved = leaving(&keeps(), None);
    unserved["status"]["served"] = json!(false);
    let mut without = leaving(&keeps(), None);
    without["spec"] = json!({"size": 1});
    let malformed = {
        let mut cluster = leaving(&keeps(), None);
        cluster["spec"]["size"] = json!("three");
        cluster
    };
    for (cluster, expected) in [
        (unserved, vec![]),
        (without, vec![]),
        (malformed, vec![]),
        (leaving(&invalid, None), vec!["FinalBackupFailed".to_owned()]),
    ] {
        let table = Table::with(&[(CLUSTER, cluster.clone())]);
        look(&table).await.unwrap();
        assert_eq!(finalizers(&table), json!(["other/one"]), "{cluster}");
        let reasons: Vec<String> = told(&table).into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons, expected, "{cluster}");
    }
}

#[tokio::test]
async fn one_that_somebody_else_let_go_is_left_alone() {
    let table = Table::with(&[(CLUSTER, leaving(&keeps(), Some(61)))]);
    let cached: GuardedCluster = serde_json::from_value(table.get(CLUSTER).unwrap()).unwrap();
    assert!(is_leaving(&cached));
    let mut gone = leaving(&keeps(), Some(61));
    gone["metadata"]["finalizers"] = json!(["other/one"]);
    table.put(CLUSTER, gone);
    look(&table).await.unwrap();
    assert_eq!(table.changes(), Vec::<String>::new());
}

fn claim() -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {
        "name": "orders-pvc", "namespace": "shop", "uid": "pvc-1",
        "labels": {"app": "etcd", "etcd_cluster": "orders"}}})
}

#[tokio::test]
async fn a_clean_up_removes_the_archive_then_the_claim() {
    let table = Table::with(&[(CLUSTER, leaving(&cleans_up(), Some(5))), (CLAIM, claim())]);
    let sidecar = Sidecar::start(&table, |call| match call {
        "DELETE /v1/archive" => (Code::OK, json!({})),
        "GET /v1/backups" => (Code::OK, json!({"store": VOLUME, "backups": []})),
        other => panic!("{other}"),
    });
    let sidecar = sidecar.await;
    look(&table).await.unwrap();
    assert_eq!(sidecar.asked()[..2], ["DELETE /v1/archive", "GET /v1/backups"]);
    let expected =
        [format!("DELETE {CLAIM}"), format!("POST {EVENTS}"), format!("PATCH {CLUSTER}")];
    assert_eq!(table.changes(), expected);
    assert_eq!(told(&table)[0].0, "BackupsRemoved");
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

/// A clean-up with this policy, of a claim that stays; the sidecar answers so when it is asked what
/// there is.
async fn keeps_the_claim(policy: &Value, answers: Answers) {
    let table = Table::with(&[(CLUSTER, leaving(policy, Some(5))), (CLAIM, claim())]);
    let _sidecar = Sidecar::start(&table, answers).await;
    look(&table).await.unwrap();
    assert_eq!(table.get(CLAIM), Some(claim()));
    assert_eq!(told(&table)[0].0, "BackupsRemoved");
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

#[tokio::test]
async fn the_claim_stays_when_an_earlier_cluster_has_an_archive_on_it() {
    keeps_the_claim(&cleans_up(), |call| match call {
        "DELETE /v1/archive" => (Code::OK, json!({})),
        // What the status says may be an hour old.
        "GET /v1/status" => (Code::OK, json!({"backups": 0, "backupSize": 0.0, "sequence": 9})),
        _ => {
            let mut earlier = stored("2a-20261124T030000Z");
            earlier["clusterUid"] = json!("u-0");
            (Code::OK, json!({"store": VOLUME, "backups": [earlier]}))
        }
    })
    .await;
}

#[tokio::test]
async fn a_cluster_with_backups_in_a_bucket_leaves_the_claim_of_an_earlier_one() {
    let bucket = json!({"storageType": "S3", "s3": {"bucket": "backups"},
                        "cleanupBackupsOnClusterDelete": true});
    keeps_the_claim(&bucket, |call| match call {
        "DELETE /v1/archive" => (Code::OK, json!({})),
        _ => (Code::OK, json!({"store": "s3://backups", "backups": []})),
    })
    .await;
}

#[tokio::test]
async fn the_claim_stays_when_the_sidecar_has_looked_elsewhere() {
    for answer in
        [(|_| (Code::OK, json!({"store": "s3://backups", "backups": []}))) as Answers, |_| {
            (Code::OK, json!({"backups": []}))
        }]
    {
        keeps_the_claim(&cleans_up(), answer).await;
    }
}

#[tokio::test]
async fn a_backup_that_was_stored_during_the_clean_up_is_removed_too() {
    let table = Table::with(&[(CLUSTER, leaving(&cleans_up(), Some(5))), (CLAIM, claim())]);
    let late = |call: &str| match call {
        "DELETE /v1/archive" => (Code::OK, json!({})),
        _ => (Code::OK, json!({"store": VOLUME, "backups": [stored("2a-20261124T030000Z")]})),
    };
    let _sidecar = Sidecar::start(&table, late).await;
    look(&table).await.unwrap();
    assert_eq!(table.get(CLAIM), Some(claim()));
    assert_eq!(finalizers(&table).as_array().unwrap().len(), 2, "it is still waited for");
}

#[tokio::test]
async fn locked_backups_stay_and_keep_no_cluster() {
    let table = Table::with(&[(CLUSTER, leaving(&cleans_up(), Some(5))), (CLAIM, claim())]);
    let locked = |call: &str| match call {
        "DELETE /v1/archive" => {
            let message = "one is locked until 2030";
            (Code::LOCKED, json!({"reason": "Locked", "message": message}))
        }
        _ => (Code::OK, json!({"backups": []})),
    };
    let _sidecar = Sidecar::start(&table, locked).await;
    look(&table).await.unwrap();
    assert!(told(&table)[0].1.contains("locked until 2030"), "{:?}", told(&table));
    assert_eq!(table.get(CLAIM), Some(claim()));
    assert_eq!(finalizers(&table), json!(["other/one"]));
}

#[tokio::test]
async fn a_clean_up_that_comes_no_further_ends_after_a_minute() {
    let broken = |call: &str| match call {
        "DELETE /v1/archive" => {
            let error = json!({"reason": "StoreFailed", "message": "the store answers 500"});
            (Code::INTERNAL_SERVER_ERROR, error)
        }
        "GET /v1/status" => (Code::OK, json!({"backups": 4, "backupSize": 1.0, "sequence": 9})),
        _ => (Code::OK, json!({"backups": []})),
    };
    let mut object = leaving(&cleans_up(), Some(5));
    let table = Table::with(&[(CLUSTER, object.clone()), (CLAIM, claim())]);
    let _sidecar = Sidecar::start(&table, broken).await;
    look(&table).await.unwrap();
    let known = &table.get(CLUSTER).unwrap()["status"]["backupServiceStatus"]["finalBackup"];
    assert_eq!(known["remaining"], 4, "what is left is remembered");

    object = leaving(&cleans_up(), Some(61));
    object["status"]["backupServiceStatus"]["finalBackup"]["remaining"] = json!(4);
    table.put(CLUSTER, object);
    look(&table).await.unwrap();
    let told = told(&table);
    assert_eq!(told[0].0, "BackupsKept");
    assert!(told[0].1.contains("the store answers 500"), "{told:?}");
    assert_eq!(table.get(CLAIM), Some(claim()));
    assert_eq!(finalizers(&table), json!(["other/one"]));
}
