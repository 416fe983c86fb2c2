//! What a course is played on: a namespace with its own operator, a place for backups, and the fault points.

use std::time::Duration;

use ::tests::localkube::Node as Machine;
use ::tests::scenario::{Look, Place, Sandbox, TestCluster, kept, node_of, until};
use anyhow::{Context, Result};
use fault::Program;
use serde_json::{Value, json};

use super::points::{Points, Then};
use super::round::Kill;

/// The longest for one thing that is waited for: somebody was killed, and the kubelet lets a container
/// that died before wait up to 20 s.
pub(super) const PATIENCE: Duration = Duration::from_mins(4);
/// The node that may be killed.
const NODE: &str = "n3";
/// Where the first member is when its node is killed.
const MID_RESTORE: &str = "downloaded";

/// See above.
pub(super) struct Stage<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) place: &'a Place,
    pub(super) points: &'a Points,
    pub(super) kill: &'a Kill,
}

impl Stage<'_> {
    /// From now on whoever is to be killed is killed, at its point.
    pub(super) fn strike(&self) {
        let (point, then) = match self.kill {
            Kill::Nobody => return,
            Kill::At(_, point) => (point.as_str(), Then::Die),
            Kill::Node => (MID_RESTORE, Then::Wait),
        };
        self.points.mean(point, then);
        self.sandbox.say(&format!("from now on: {}", self.kill));
    }

    /// Kills the node under the first member when it gets there, and starts it again. For others it
    /// does nothing.
    pub(super) async fn attend(&self) -> Result<()> {
        if *self.kill != Kill::Node {
            return Ok(());
        }
        let hit = self.points.hit_within(PATIENCE).await;
        let hit = hit.context("no data directory was begun")?;
        let kube = &self.sandbox.kube;
        let node: Machine = until("the node of the first member", PATIENCE, async || {
            let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = self.sandbox.api();
            let pod = ::tests::scenario::request(pods.get(&hit.host)).await?;
            Ok(Look::Is(node_of(&pod)?))
        })
        .await?;
        self.sandbox.say(&format!("{node} has no power any more, under {}", hit.host));
        kube.kill_node(node).await?;
        kube.start_node(node).await?;
        self.sandbox.say("it has power again");
        Ok(())
    }

    /// A cluster `kv` with keys of every kind in it.
    pub(super) async fn filled(&self, size: usize) -> Result<TestCluster> {
        let cluster = self.cluster("kv", json!({"size": size})).await?;
        self.place.open(self.sandbox, "kv").await?;
        cluster.whole_within(size, PATIENCE).await?;
        kept::fill(self.sandbox, &cluster).await?;
        Ok(cluster)
    }

    /// A cluster of this spec, with a backup policy. When a node is to be killed, it is all on that one.
    pub(super) async fn cluster(&self, name: &str, mut spec: Value) -> Result<TestCluster> {
        if let Some(spec) = spec.as_object_mut() {
            spec.insert("backup".to_owned(), self.place.policy(&json!({})));
            if *self.kill == Kill::Node {
                spec.insert("pod".to_owned(), json!({"affinity": only_on(NODE)}));
            }
        }
        self.sandbox.cluster(name, spec).await
    }

    /// Whether the operator has to come back, which takes a while.
    pub(super) fn kills_the_operator(&self) -> bool {
        matches!(self.kill, Kill::At(Program::Operator, _))
    }
}

fn only_on(node: &str) -> Value {
    let expression = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [expression]}]
    }}})
}
