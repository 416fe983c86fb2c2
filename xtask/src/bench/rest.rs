//! What the operator costs while nothing happens: memory, processor time, requests to the API server.
//!
//! Requests are counted by the API server itself: flow schemas of ours sort those of the operator's
//! service account, and the API server counts what it dispatches for each of them.

use std::time::Duration;

use ::tests::progress::Progress;
use anyhow::{Result, ensure};
use k8s_openapi::api::flowcontrol::v1::FlowSchema;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::figure::Figure;
use super::operator::{Scrape, leader_metrics, raw};
use crate::cluster::{Namespace, Operator, is_whole, within};

pub(super) const NAMESPACE: &str = "bench-rest";
const LIMIT: Duration = Duration::from_mins(10);
/// Until the last event of the start has been dealt with.
const SETTLE: Duration = Duration::from_secs(20);
/// Watches are renewed after five minutes, all of them at about the same time: a shorter window would see
/// none of these requests, or all.
const WINDOW: Duration = Duration::from_mins(5);
const MANY: u8 = 10;

/// What the operator asks for, sorted.
const FLOWS: [&str; 3] = ["bench-operator-lease", "bench-operator-write", "bench-operator-read"];

/// The cost of some clusters at rest.
struct Cost {
    memory: f64,
    processor: f64,
    lease: f64,
    writes: f64,
    reads: f64,
}

/// Measures with one cluster of three members, then with ten.
pub(super) async fn measure(
    client: &Client,
    operator: &Operator,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    let flows: Api<FlowSchema> = Api::all(client.clone());
    sort_requests(&flows).await?;
    let costs = async {
        let namespace = Namespace::create(client, NAMESPACE).await?;
        let one = at_rest(client, operator, &namespace, 1);
        let one = progress.step("one cluster at rest", Duration::from_mins(6), one).await?;
        let many = at_rest(client, operator, &namespace, MANY);
        let many = progress.step("ten clusters at rest", Duration::from_mins(6), many).await?;
        namespace.delete().await?;
        Ok(figures(&one, &many))
    };
    let costs = costs.await;
    for flow in FLOWS {
        let now = DeleteParams::default();
        within("deleting a flow schema", flows.delete(flow, &now)).await?;
    }
    costs
}

async fn at_rest(
    client: &Client,
    operator: &Operator,
    namespace: &Namespace,
    clusters: u8,
) -> Result<Cost> {
    let names: Vec<String> = (0..clusters).map(|number| format!("rest-{number}")).collect();
    for name in &names {
        namespace.apply(name, 3).await?;
    }
    for name in &names {
        namespace.until(name, LIMIT, |_| {}, is_whole).await?;
    }
    tokio::time::sleep(SETTLE).await;
    let before = look(client, operator).await?;
    tokio::time::sleep(WINDOW).await;
    let after = look(client, operator).await?;
    ensure!(
        before.operator.replica == after.operator.replica,
        "another replica of the operator took over while it was measured; leave the operator alone"
    );
    let per_minute =
        |what: fn(&Look) -> f64| (what(&after) - what(&before)) * 60.0 / WINDOW.as_secs_f64();
    Ok(Cost {
        memory: after.operator.memory / 1e6,
        processor: per_minute(|look| look.operator.processor) / 60.0 * 100.0,
        lease: per_minute(|look| look.requests[0]),
        writes: per_minute(|look| look.requests[1]),
        reads: per_minute(|look| look.requests[2]),
    })
}

/// The counters at one moment.
struct Look {
    operator: Scrape,
    requests: [f64; 3],
}

async fn look(client: &Client, operator: &Operator) -> Result<Look> {
    let scrape = leader_metrics(client, operator).await?;
    let metrics = raw(client, "", "metrics").await?;
    Ok(Look { operator: scrape, requests: FLOWS.map(|flow| dispatched(&metrics, flow)) })
}

/// How many requests of this flow were dispatched; 0 before the first.
fn dispatched(metrics: &str, flow: &str) -> f64 {
    let start = format!("apiserver_flowcontrol_dispatched_requests_total{{flow_schema=\"{flow}\"");
    let lines = metrics.lines().filter(|line| line.starts_with(&start));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// In this order the first that fits counts: the Lease, what changes something, the rest.
async fn sort_requests(flows: &Api<FlowSchema>) -> Result<()> {
    let any = json!(["*"]);
    let change = json!(["create", "update", "patch", "delete", "deletecollection"]);
    let rules =
        [(json!(["coordination.k8s.io"]), &any), (any.clone(), &change), (any.clone(), &any)];
    for (precedence, (flow, (groups, verbs))) in (50..).zip(FLOWS.into_iter().zip(rules)) {
        let schema = flow_schema(flow, precedence, &groups, verbs);
        let params = PatchParams::apply("etcd-operator-xtask").force();
        within("sorting requests", flows.patch(flow, &params, &Patch::Apply(&schema))).await?;
    }
    Ok(())
}

fn flow_schema(name: &str, precedence: u8, groups: &Value, verbs: &Value) -> Value {
    let account = json!({"name": "etcd-operator", "namespace": "etcd-operator"});
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": "workload-high"},
            "rules": [{
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                "resourceRules": [{
                    "verbs": verbs,
                    "apiGroups": groups,
                    "resources": ["*"],
                    "namespaces": ["*"],
                    "clusterScope": true,
                }],
            }],
        },
    })
}

fn figures(one: &Cost, many: &Cost) -> Vec<Figure> {
    let figure = |name, unit, goal, value| Figure::new(name, unit, goal, vec![value]);
    let per_cluster = |requests: f64| requests / f64::from(MANY);
    vec![
        figure("operator's memory, 1 cluster", "MB", None, one.memory),
        figure("operator's memory, 10 clusters", "MB", None, many.memory),
        figure("processor at rest, 1 cluster", "%", None, one.processor),
        figure("processor at rest, 10 clusters", "%", None, many.processor),
        figure("API reads a minute at rest, 1 cluster", "", Some(6.0), one.reads),
        figure("the same for each of 10", "", Some(6.0), per_cluster(many.reads)),
        figure("API writes a minute at rest, 1 cluster", "", Some(0.0), one.writes),
        figure("the same for each of 10", "", Some(0.0), per_cluster(many.writes)),
        figure("requests a minute for the Lease, all replicas", "", None, many.lease),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_the_flow_count() {
        let metrics = "\
apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"exempt\",priority_level=\"exempt\"} 9
apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"bench-operator-read\",priority_level=\"workload-high\"} 7
";
        assert!((dispatched(metrics, "bench-operator-read") - 7.0).abs() < f64::EPSILON);
        assert!(dispatched(metrics, "bench-operator-write").abs() < f64::EPSILON);
    }
}
