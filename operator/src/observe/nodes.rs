//! The state of nodes: whether what runs on one may still be running.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, ResourceExt};
use planner::NodeState;

use crate::caches::Caches;
use crate::call::{is_not_found, within};
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

    /// Asks the API server for each of these nodes that the cache does not know.
    pub async fn confirm(
        &mut self,
        client: &Client,
        names: impl Iterator<Item = String>,
    ) -> Result<(), Error> {
        let Some(states) = &mut self.states else { return Ok(()) };
        let api: Api<Node> = Api::all(client.clone());
        for name in names {
            if states.contains_key(&name) {
                continue;
            }
            let found = match within("reading a node", api.get(&name)).await {
                Ok(node) => state(&node),
                Err(error) if is_not_found(&error) => NodeState::Gone,
                Err(error) => return Err(error),
            };
            states.insert(name, found);
        }
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
    use serde_json::json;

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

    #[test]
    fn without_rights_on_nodes_nothing_is_known_of_them() {
        assert_eq!(Nodes { states: None }.state("rack-7"), NodeState::Unknown);
        assert_eq!(Nodes { states: Some(BTreeMap::new()) }.state("rack-7"), NodeState::Gone);
    }
}
