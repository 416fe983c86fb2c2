//! How many changes the operator asks for in one namespace, as the API server counts them.
//!
//! Writing what is there already leaves no trace on an object, and costs the API server all the same. So a
//! flow schema of ours sorts the operator's requests, and the API server counts what it dispatches for it.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::flowcontrol::v1::FlowSchema;
use kube::api::{GetParams, Patch, PatchParams};
use kube::core::Request;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{MANAGER, Sandbox, operator, request};

/// Before those of the API server's own that fit, after those that exempt the administrator.
const PRECEDENCE: u8 = 60;

/// The operator's changes in one namespace. They are counted from now on.
pub struct Changes {
    client: Client,
    flow: String,
}

impl Changes {
    /// Begins to count. The counter goes with the sandbox.
    pub async fn counted(sandbox: &Sandbox) -> Result<Self> {
        let client = sandbox.client.clone();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = request(namespaces.get(sandbox.namespace())).await?;
        let flow = sandbox.namespace().to_owned();
        let flows: Api<FlowSchema> = Api::all(client.clone());
        let schema = schema(&flow, &namespace.uid().context("the namespace has no UID")?);
        let params = PatchParams::apply(MANAGER).force();
        request(flows.patch(&flow, &params, &Patch::Apply(&schema))).await?;
        Ok(Self { client, flow })
    }

    /// How many there were.
    pub async fn count(&self) -> Result<u64> {
        let all = Request::new("").get("metrics", &GetParams::default())?;
        Ok(dispatched(&request(self.client.request_text(all)).await?, &self.flow))
    }
}

/// For the namespace of the same name, which owns it.
fn schema(namespace: &str, uid: &str) -> Value {
    let account = json!({"name": operator::NAME, "namespace": operator::NAMESPACE});
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": uid});
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": namespace, "ownerReferences": [owner]},
        "spec": {
            "matchingPrecedence": PRECEDENCE,
            "priorityLevelConfiguration": {"name": "workload-high"},
            "rules": [{
                "subjects": [{"kind": "ServiceAccount", "serviceAccount": account}],
                "resourceRules": [{
                    "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                    "apiGroups": ["*"],
                    "resources": ["*"],
                    "namespaces": [namespace],
                }],
            }],
        },
    })
}

/// The sum over the priority levels; 0 before the first.
fn dispatched(metrics: &str, flow: &str) -> u64 {
    let start = format!("apiserver_flowcontrol_dispatched_requests_total{{flow_schema=\"{flow}\"");
    let lines = metrics.lines().filter(|line| line.starts_with(&start));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_the_flow_count() {
        let metrics = "\
apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"exempt\",priority_level=\"exempt\"} 9
apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"t-rest-1\",priority_level=\"workload-high\"} 7
";
        assert_eq!(dispatched(metrics, "t-rest-1"), 7);
        assert_eq!(dispatched(metrics, "t-rest-2"), 0);
    }
}
