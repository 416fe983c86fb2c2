//! Pods in every state, for the tests of what is read from them.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// When everything began.
pub const SINCE: &str = "2026-01-02T03:04:05Z";

/// A pod whose guard and etcd are in these states.
pub fn pod(phase: &str, guard: &Value, etcd: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": "orders-0003",
            "annotations": {
                "etcd.coreos.com/role": "joiner",
                "etcd.coreos.com/served": "true",
                "etcd.coreos.com/initial-cluster":
                    "orders-0000=http://orders-0000.orders.shop.svc:2380,\
                     orders-0003=http://orders-0003.orders.shop.svc:2380"
            }
        },
        "status": {
            "phase": phase,
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "False", "lastTransitionTime": SINCE}
            ],
            "initContainerStatuses": [guard],
            "containerStatuses": [etcd]
        }
    }))
    .unwrap()
}

/// A container that was started again twice.
pub fn container(name: &str, state: &Value, last: &Value) -> Value {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 2,
           "state": state, "lastState": last})
}

/// It ended so.
pub fn exited(code: i32) -> Value {
    json!({"terminated": {"exitCode": code}})
}

/// It runs.
pub fn running() -> Value {
    json!({"running": {"startedAt": SINCE}})
}

/// It waits for this.
pub fn waiting(reason: &str) -> Value {
    json!({"waiting": {"reason": reason}})
}
