//! A replica that leads, against an API server that answers only in part.

use ::http::{Request, Response, StatusCode};
use clap::Parser;
use kube::client::Body;
use kube::runtime::{reflector, watcher};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower_test::mock;

use super::*;
use crate::args::Args;

/// What is answered to a request that is no watch; none when it never is.
type Answer = fn(path: &str) -> Option<(StatusCode, Value)>;

fn list(items: &[Value]) -> (StatusCode, Value) {
    let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"},
                      "items": items});
    (StatusCode::OK, list)
}

fn clusters_of_one() -> (StatusCode, Value) {
    list(&[json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1", "resourceVersion": "1"},
        "spec": {"size": 3},
    })])
}

/// Leads until it ends by itself.
async fn led(answer: Answer) -> anyhow::Result<()> {
    let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "etcd-operator");
    let answers = async {
        let mut unanswered = Vec::new();
        while let Some((request, send)) = server.next_request().await {
            let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let answer = answer(request.uri().path()).filter(|_| !is_watch);
            let Some((status, body)) = answer else {
                unanswered.push(send);
                continue;
            };
            let body = Body::from(body.to_string().into_bytes());
            send.send_response(Response::builder().status(status).body(body).unwrap());
        }
    };
    let args = ["etcd-operator", "--lease-namespace=etcd-operator", "--pod-name=ours"];
    let config = Config::check(&Args::parse_from(
        args.into_iter().chain(["--init-image=i", "--sidecar-image=s"]),
    ));
    let (config, ready) = (config.unwrap(), Readiness::default());
    let metrics = Metrics::register(telemetry::Metrics::new("etcd_operator", "0").registry());
    let (mut election, stop) = (Election::of_a_leader(&client), CancellationToken::new());
    tokio::select! {
        ended = lead(client, &config, metrics, &ready, &mut election, &stop) => ended,
        () = answers => panic!("the client was dropped"),
    }
}

/// It would keep the others from the work for as long as it renews the Lease.
#[tokio::test(start_paused = true)]
async fn a_replica_that_leads_and_ends_no_look_makes_way_although_its_lease_is_renewed() {
    // Pods are never listed, so that nothing can be decided.
    let began = Instant::now();
    let ended = led(|path| match path {
        "/api/v1/pods" => None,
        "/apis/etcd.coreos.com/v1beta1/clusters" => Some(clusters_of_one()),
        _ => Some(list(&[])),
    });
    let why = timeout(Duration::from_hours(1), ended).await.unwrap().unwrap_err().to_string();
    assert!(why.contains("no look at a cluster has ended"), "{why}");
    assert!(began.elapsed() < Duration::from_mins(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn looks_that_end_with_an_error_are_no_reason_to_make_way() {
    let ended = led(|path| match path {
        "/apis/etcd.coreos.com/v1beta1/clusters" => Some(clusters_of_one()),
        path if path.contains("/leases/") => {
            let failure = json!({"kind": "Status", "status": "Failure", "reason": "InternalError",
                                 "message": "etcdserver: request timed out", "code": 500});
            Some((StatusCode::INTERNAL_SERVER_ERROR, failure))
        }
        _ => Some(list(&[])),
    });
    timeout(Duration::from_mins(30), ended).await.unwrap_err();
}

#[test]
fn a_node_triggers_its_clusters_when_its_state_changes_and_when_it_is_deleted() {
    let (pods, mut writer) = reflector::store::<Pod>();
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "orders-0001", "namespace": "shop",
                     "labels": {api::labels::CLUSTER: "orders"}},
        "spec": {"nodeName": "rack-7", "containers": []},
    }));
    writer.apply_watcher_event(&watcher::Event::Apply(pod.unwrap()));
    let seen = Mutex::new(HashMap::new());
    let triggers = |state: NodeState| clusters_on("rack-7", &state, &pods, &seen).len();
    assert_eq!(triggers(NodeState::Ready), 1);
    assert_eq!(triggers(NodeState::Ready), 0, "it reports and nothing is new");
    assert_eq!(triggers(NodeState::Gone), 1, "it was Ready until it was deleted");
    assert!(seen.lock().unwrap().is_empty(), "who is gone is forgotten");
}
