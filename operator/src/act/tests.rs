//! Which calls a step makes, in which order, and what it does when one is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::v1beta1::Cluster;
use futures::future::LocalBoxFuture;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use planner::{BackupRef, Cause, Membership, Observed, Record, RestoreRecord, Stage, Step};
use serde_json::{Value, json};
use tower_test::mock;

use super::{Actor, Outcome};
use crate::error::Error;
use crate::observe::{EtcdView, Sight};
use crate::validate::validate;

/// What the API server is asked: method, path and body.
#[derive(Debug)]
struct Call {
    method: Method,
    path: String,
    body: Value,
}

/// One expected call's answer.
type Answer = fn(&Call) -> (StatusCode, Value);

fn cluster() -> Cluster {
    serde_json::from_value(json!({
        "apiVersion": "etcd.coreos.com/v1beta1",
        "kind": "Cluster",
        "metadata":
            {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "41"},
        "spec": {"size": 3},
        "status": {"nextMember": 4},
    }))
    .unwrap()
}

fn sight() -> Sight {
    let cluster = Arc::new(cluster());
    let name = validate(&cluster).name;
    Sight {
        cluster,
        name,
        pods: BTreeMap::from([(2, Arc::new(pod("u-1", "p-2")))]),
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

fn pod(owner: &str, uid: &str) -> k8s_openapi::api::core::v1::Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "orders-0002", "namespace": "shop", "uid": uid, "resourceVersion": "77",
                     "annotations": {"etcd.version": "3.6.15"},
                     "ownerReferences": [
            {"apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster", "name": "orders",
             "uid": owner}
        ]}
    }))
    .unwrap()
}

/// Does the step against an API server that gives these answers, one to each call in order, and
/// expects no further call.
fn act(step: Step, answers: &[Answer]) -> LocalBoxFuture<'_, (Result<Outcome, Error>, Vec<Call>)> {
    Box::pin(act_against(step, answers))
}

async fn act_against(step: Step, answers: &[Answer]) -> (Result<Outcome, Error>, Vec<Call>) {
    let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "shop");
    let mut sight = sight();
    let validated = validate(&sight.cluster);
    let server = async {
        let mut calls = Vec::new();
        for answer in answers {
            let (request, respond) = handle.next_request().await.expect("a call was expected");
            let call = read(request).await;
            let (status, body) = answer(&call);
            let body = Body::from(serde_json::to_vec(&body).unwrap());
            respond.send_response(Response::builder().status(status).body(body).unwrap());
            calls.push(call);
        }
        // Any further call finds the server gone and fails the step.
        drop(handle);
        calls
    };
    let (cluster, sight) = (&validated, &mut sight);
    let mut actor = Actor { client: &client, init_image: "guard:1", cluster, sidecar: None, sight };
    tokio::join!(actor.act(&step), server)
}

async fn read(request: Request<Body>) -> Call {
    let (parts, body) = request.into_parts();
    let bytes = body.collect_bytes().await.unwrap();
    Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    }
}

fn echo(call: &Call) -> (StatusCode, Value) {
    (StatusCode::OK, call.body.clone())
}

fn status(code: u16, reason: &str) -> (StatusCode, Value) {
    let body = json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code,
                      "message": reason});
    (StatusCode::from_u16(code).unwrap(), body)
}

fn conflict(_: &Call) -> (StatusCode, Value) {
    status(409, "Conflict")
}

fn already_exists(_: &Call) -> (StatusCode, Value) {
    status(409, "AlreadyExists")
}

fn not_found(_: &Call) -> (StatusCode, Value) {
    status(404, "NotFound")
}

fn our_pod(_: &Call) -> (StatusCode, Value) {
    (StatusCode::OK, serde_json::to_value(pod("u-1", "p-9")).unwrap())
}

fn foreign_pod(_: &Call) -> (StatusCode, Value) {
    (StatusCode::OK, serde_json::to_value(pod("u-other", "p-9")).unwrap())
}

#[tokio::test]
async fn a_number_is_written_down_before_its_pod_is_made() {
    let (outcome, calls) = act(Step::CreateSeed { number: 7, restore: None }, &[echo, echo]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(
        (&calls[0].method, calls[0].path.as_str()),
        (&Method::PUT, "/apis/etcd.coreos.com/v1beta1/namespaces/shop/clusters/orders/status")
    );
    assert_eq!(calls[0].body["status"]["nextMember"], 8);
    assert_eq!(calls[0].body["status"]["currentVersion"], "3.6.16");
    assert_eq!(calls[0].body["metadata"]["resourceVersion"], "41");
    assert_eq!(
        (&calls[1].method, calls[1].path.as_str()),
        (&Method::POST, "/api/v1/namespaces/shop/pods")
    );
    assert_eq!(calls[1].body["metadata"]["name"], "orders-0007");
}

#[tokio::test]
async fn no_pod_is_made_when_the_status_changed_meanwhile() {
    let (outcome, calls) = act(Step::CreateSeed { number: 7, restore: None }, &[conflict]).await;
    assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn a_lower_number_never_lowers_the_mark() {
    let (_, calls) = act(Step::CreateSeed { number: 1, restore: None }, &[echo, echo]).await;
    assert_eq!(calls[0].body["status"]["nextMember"], 4);
}

#[tokio::test]
async fn a_pod_of_ours_that_is_there_already_is_done() {
    let answers: [Answer; 3] = [echo, already_exists, our_pod];
    let (outcome, _) = act(Step::CreateSeed { number: 2, restore: None }, &answers).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
}

#[tokio::test]
async fn a_foreign_pod_of_that_name_is_a_clash() {
    let answers: [Answer; 3] = [echo, already_exists, foreign_pod];
    let (outcome, _) = act(Step::CreateSeed { number: 2, restore: None }, &answers).await;
    let Err(Error::Clash { name, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(name, "orders-0002");
}

#[tokio::test]
async fn only_the_very_pod_that_was_seen_is_deleted() {
    let (outcome, calls) = act(Step::DeletePod { number: 2 }, &[our_pod]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(calls[0].method, Method::DELETE);
    let preconditions = json!({"uid": "p-2", "resourceVersion": "77"});
    assert_eq!(calls[0].body["preconditions"], preconditions);
}

#[tokio::test]
async fn a_pod_that_is_gone_already_is_deleted() {
    let (outcome, _) = act(Step::DeletePod { number: 2 }, &[not_found]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
}

#[tokio::test]
async fn only_the_very_pod_that_was_seen_is_marked() {
    let (outcome, calls) = act(Step::MarkServed { number: 2 }, &[our_pod]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(calls[0].body["metadata"]["uid"], "p-2");
    assert_eq!(calls[0].body["metadata"]["resourceVersion"], "77");
    assert_eq!(calls[0].body["metadata"]["annotations"][api::annotations::SERVED], "true");
}

#[tokio::test]
async fn that_the_cluster_served_is_recorded_with_its_id() {
    let (outcome, calls) = act(Step::RecordServed { cluster_id: 0xab }, &[echo]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(calls[0].body["status"]["served"], true);
    assert_eq!(calls[0].body["status"]["clusterId"], "ab");
    // What its first member runs, also when the spec wants another version by now.
    assert_eq!(calls[0].body["status"]["currentVersion"], "3.6.15");
}

#[tokio::test]
async fn without_a_member_list_no_membership_call_is_made() {
    let (outcome, calls) = act(Step::AddLearner { number: 2 }, &[]).await;
    assert!(matches!(outcome, Err(Error::Etcd { .. })), "{outcome:?}");
    assert!(calls.is_empty());
}

fn backup() -> BackupRef {
    BackupRef {
        id: "000000000000002a-20261124T030000Z".into(),
        manifest_digest: "ab".into(),
        location: "file:///var/lib/etcd-backups/v1/shop/orders/u-1".into(),
        revision: 42,
        cluster_id: Some(0xc1),
        finished: "2026-11-24T03:00:09Z".parse().unwrap(),
    }
}

fn recovery() -> RestoreRecord {
    let stage = Stage::Restoring { backup: backup(), saved: None };
    RestoreRecord { cause: Cause::Recovery(1), first: 4, stage, refused: [].into() }
}

#[tokio::test]
async fn a_recovery_is_written_down_whole_before_anything_of_it_is_done() {
    let (outcome, calls) = act(Step::RecordRestore(recovery()), &[echo]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    let status = &calls[0].body["status"];
    assert_eq!((&status["recoveries"], &status["highestRevision"]), (&json!(1), &json!(42)));
    let restore = &status["restore"];
    assert_eq!((&restore["stage"], &restore["firstMember"]), (&json!("Restoring"), &json!(4)));
    assert_eq!(restore["backup"]["manifestDigest"], "ab");
    assert_eq!(restore["raisedBy"], 1_000_000_000);
}

#[tokio::test]
async fn a_first_member_from_a_backup_is_pinned_to_it_and_no_service_leads_to_it() {
    let step = Step::CreateSeed { number: 7, restore: Some(backup()) };
    let (outcome, calls) = act(step, &[echo, echo]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(calls[0].body["status"]["nextMember"], 8);
    let pod = &calls[1].body;
    assert_eq!(pod["metadata"]["labels"][api::labels::COMPONENT], "restoring-member");
    let args = pod["spec"]["initContainers"][1]["args"].to_string();
    for words in [
        "--backup=000000000000002a-20261124T030000Z",
        "--manifest-digest=ab",
        "--from=https://orders-backup-sidecar.shop.svc:19999",
    ] {
        assert!(args.contains(words), "{words}: {args}");
    }
}

#[tokio::test]
async fn the_end_of_a_restore_is_one_write_and_then_the_services_lead_to_the_member() {
    let step = Step::FinishRestore { cluster_id: 0xc2, number: 2 };
    let (outcome, calls) = act(step, &[echo, our_pod]).await;
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(calls.len(), 2);
    // In one step with it: a pause right afterwards would keep clients out for as long as it lasts.
    let label = &calls[1].body["metadata"]["labels"][api::labels::COMPONENT];
    assert_eq!((&calls[1].method, label), (&Method::PATCH, &json!(api::labels::COMPONENT_MEMBER)));
    let status = &calls[0].body["status"];
    assert_eq!((&status["clusterId"], &status["served"]), (&json!("c2"), &json!(true)));
    let rows: Vec<_> = status["memberStatuses"].as_array().unwrap().iter().collect();
    assert_eq!((rows.len(), &rows[0]["name"]), (1, &json!("orders-0002")));
    assert!(status["restore"].is_null());
}

#[tokio::test]
async fn no_service_leads_to_a_member_of_which_the_status_does_not_say_that_it_serves() {
    let step = Step::FinishRestore { cluster_id: 0xc2, number: 2 };
    let (outcome, calls) = act(step, &[conflict]).await;
    assert!(matches!(outcome, Err(Error::Conflict { .. })), "{outcome:?}");
    assert_eq!(calls.len(), 1);
}

#[tokio::test]
async fn without_a_way_to_the_sidecar_an_order_waits() {
    let step = Step::OrderSnapshot { number: 2, id: "recovery-c1-1-0002-0".into() };
    let (outcome, calls) = act(step, &[]).await;
    assert!(matches!(outcome, Ok(Outcome::NotYet(_))), "{outcome:?}");
    assert!(calls.is_empty());
}
