//! The state of nodes: whether what runs on one may still be running.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, ResourceExt};
use planner::NodeState;

use crate::caches::Caches;
use crate::call::within;
use crate::error::Error;

/// Set by a person who has made sure that the node is down; Kubernetes then lets its volumes go.
/// Source: Kubernetes documentation, "Non-graceful node shutdown handling".
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The nodes' states by name; none when nodes cannot be read.
pub struct Nodes {
    states: Option<BTreeMap<String, NodeState>>,
}

impl Nodes {
    /// As the cache knows them.
    pub fn cached(caches: &Caches) -> Self {
        let read = |nodes: Vec<std::sync::Arc<Node>>| {
            nodes.iter().map(|node| (node.name_any(), state(node))).collect()
        };
        Self { states: caches.nodes.as_ref().map(|nodes| read(nodes.state())) }
    }

    /// Asks the API server for each of these nodes, whatever the cache says of them.
    pub async fn confirm(
        &mut self,
        client: &Client,
        names: impl Iterator<Item = String>,
    ) -> Result<(), Error> {
        let Some(states) = &mut self.states else { return Ok(()) };
        let api: Api<Node> = Api::all(client.clone());
        let names: BTreeSet<String> = names.collect();
        let asked = names.into_iter().map(|name| async {
            let there = within("reading a node", api.get_opt(&name)).await?;
            Ok::<_, Error>((name, there.as_ref().map_or(NodeState::Gone, state)))
        });
        states.extend(try_join_all(asked).await?);
        Ok(())
    }

    /// The state of one node.
    pub fn state(&self, name: &str) -> NodeState {
        match &self.states {
            None => NodeState::Unknown,
            Some(states) => states.get(name).cloned().unwrap_or(NodeState::Gone),
        }
    }
}

/// Reads a node's state from its conditions and taints.
pub fn state(node: &Node) -> NodeState {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    if taints.into_iter().flatten().any(|taint| taint.key == OUT_OF_SERVICE) {
        return NodeState::Gone;
    }
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => NodeState::Ready,
        Some(ready) => {
            let since = ready.last_transition_time.as_ref().map(|time| time.0);
            NodeState::Away(since.unwrap_or(Timestamp::MAX))
        }
        // A node that has not reported yet has never run anything.
        None => NodeState::Away(Timestamp::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower_test::mock;

    fn node(ready: &str, taint: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": "rack-7"},
            "spec": {"taints": [{"key": taint, "effect": "NoExecute"}]},
            "status": {"conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-02T03:04:05Z"}
            ]}
        }))
        .unwrap()
    }

    #[test]
    fn a_node_that_does_not_report_is_away_since_its_last_transition() {
        let since = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(state(&node("Unknown", "x")), NodeState::Away(since));
        assert_eq!(state(&node("False", "x")), NodeState::Away(since));
    }

    #[test]
    fn a_ready_node_is_ready_whatever_its_other_taints() {
        assert_eq!(state(&node("True", "dedicated")), NodeState::Ready);
    }

    #[test]
    fn out_of_service_means_gone() {
        assert_eq!(state(&node("Unknown", OUT_OF_SERVICE)), NodeState::Gone);
    }

    #[tokio::test]
    async fn what_the_cache_says_of_a_node_is_asked_anew() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "default");
        let answers = tokio::spawn(async move {
            for _ in 0..2 {
                let (request, send) = server.next_request().await.unwrap();
                let (code, body) = match request.uri().path() {
                    "/api/v1/nodes/rack-7" => (200, json!(node("Unknown", "x"))),
                    "/api/v1/nodes/rack-8" => (404, json!({"code": 404, "reason": "NotFound"})),
                    other => panic!("{other}"),
                };
                let body = Body::from(body.to_string().into_bytes());
                send.send_response(Response::builder().status(code).body(body).unwrap());
            }
        });
        let ready = |name: &str| (name.to_owned(), NodeState::Ready);
        let mut nodes = Nodes { states: Some([ready("rack-7"), ready("rack-8")].into()) };
        let twice = ["rack-7", "rack-8", "rack-7"].map(str::to_owned);
        nodes.confirm(&client, twice.into_iter()).await.unwrap();
        answers.await.unwrap();
        assert!(matches!(nodes.state("rack-7"), NodeState::Away(_)));
        assert_eq!(nodes.state("rack-8"), NodeState::Gone);
    }

    #[test]
    fn without_rights_on_nodes_nothing_is_known_of_them() {
        assert_eq!(Nodes { states: None }.state("rack-7"), NodeState::Unknown);
        assert_eq!(Nodes { states: Some(BTreeMap::new()) }.state("rack-7"), NodeState::Gone);
    }
}
