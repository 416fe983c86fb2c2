//! What runs, in a few lines for a person.

use serde_json::Value;

use super::error::Error;
use super::layout::Node;
use super::{LocalKube, control_plane, network, node, process};

/// What the local Kubernetes is made of right now.
#[derive(Clone, Debug)]
pub struct Status {
    /// Daemons of the control plane with whether they run.
    pub control_plane: Vec<(&'static str, bool)>,
    /// One row per node.
    pub nodes: Vec<NodeStatus>,
    /// Pods by phase, such as `Running: 4`; empty if the API server does not answer.
    pub pods: Vec<(String, usize)>,
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Which.
    pub node: Node,
    /// Whether its daemons run.
    pub runs: bool,
    /// Whether its cable is in.
    pub is_connected: bool,
    /// What Kubernetes says: Ready, `NotReady`, or why that is not known.
    pub condition: String,
}

impl LocalKube {
    /// Looks at processes, cables and the API server.
    pub async fn status(&self) -> Result<Status, Error> {
        let answer = self.kubectl().run(&["get", "nodes,pods", "-A", "-o", "json"]).await;
        let items = answer.ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let items = items.and_then(|list| list.get("items")?.as_array().cloned());
        let mut nodes = Vec::new();
        for node in self.nodes() {
            let condition = items.as_ref().map_or_else(
                || "unknown: the API server does not answer".to_owned(),
                |items| condition_of(node, items),
            );
            let is_connected = network::is_connected(node).await?;
            let runs = node::runs(&self.paths, node);
            nodes.push(NodeStatus { node, runs, is_connected, condition });
        }
        let runs = |name| (name, process::running(&self.paths, name).is_some());
        Ok(Status {
            control_plane: control_plane::DAEMONS.map(runs).to_vec(),
            nodes,
            pods: pods_by_phase(&items.unwrap_or_default()),
        })
    }
}

fn condition_of(node: Node, items: &[Value]) -> String {
    let name = node.to_string();
    let is_it = |item: &&Value| {
        text(item, "/kind") == Some("Node") && text(item, "/metadata/name") == Some(&name)
    };
    let found = items.iter().find(is_it).and_then(|item| item.pointer("/status/conditions"));
    let mut conditions = found.and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.find(|condition| text(condition, "/type") == Some("Ready"));
    let condition = match ready.and_then(|condition| text(condition, "/status")) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "not registered",
    };
    condition.to_owned()
}

fn pods_by_phase(items: &[Value]) -> Vec<(String, usize)> {
    let mut phases = std::collections::BTreeMap::<String, usize>::new();
    for pod in items.iter().filter(|item| text(item, "/kind") == Some("Pod")) {
        let phase = text(pod, "/status/phase").unwrap_or("unknown");
        *phases.entry(phase.to_owned()).or_default() += 1;
    }
    phases.into_iter().collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_is_ready_only_if_its_own_condition_says_so() {
        let node = |name, status| {
            json!({"kind": "Node", "metadata": {"name": name}, "status": {"conditions": [
                {"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": status}]}})
        };
        let items = [node("n1", "True"), node("n2", "Unknown")];
        let of = |name: &str| condition_of(name.parse().unwrap(), &items);
        assert_eq!([of("n1"), of("n2"), of("n3")], ["Ready", "NotReady", "not registered"]);
    }

    #[test]
    fn pods_are_counted_by_phase() {
        let pod = |phase| json!({"kind": "Pod", "status": {"phase": phase}});
        let counted = pods_by_phase(&[pod("Running"), pod("Pending"), pod("Running")]);
        assert_eq!(counted, [("Pending".to_owned(), 1), ("Running".to_owned(), 2)]);
    }
}
