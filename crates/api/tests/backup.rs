//! The rules of the `Backup` resource, evaluated as the API server evaluates them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

use api::v1beta1::{BackupPhase, BackupSpec, BackupStatus, DeletionPolicy};
use kube::core::cel::Validator;
use serde_json::{Value, json};

fn backup(spec: &Value) -> Value {
    json!({
        "apiVersion": "etcd.coreos.com/v1beta1",
        "kind": "Backup",
        "metadata": {"name": "before-the-move"},
        "spec": spec,
    })
}

/// The sentences with which the rules refuse to make `new`, or to make it of `old`.
fn refusals(new: &Value, old: Option<&Value>) -> Vec<String> {
    let crd = api::crd::backup();
    let schema = crd.spec.versions[0].schema.as_ref().unwrap();
    let schema = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
    match Validator::new().validate_with_defaults(&schema, new, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.as_slice().iter().map(|error| error.message.clone()).collect(),
    }
}

#[test]
fn a_cluster_is_all_that_a_backup_needs() {
    let wanted = backup(&json!({"clusterName": "kv"}));
    assert_eq!(refusals(&wanted, None), Vec::<String>::new());
    let spec: BackupSpec = serde_json::from_value(wanted["spec"].clone()).unwrap();
    assert_eq!(spec.deletion_policy, DeletionPolicy::Retain);
}

#[test]
fn a_name_that_no_cluster_has_is_refused_with_what_to_write() {
    for name in ["", "KV", "kv.store", "-kv"] {
        let refusals = refusals(&backup(&json!({"clusterName": name})), None);
        assert_eq!(refusals.len(), 1, "{name}: {refusals:?}");
        assert!(refusals[0].contains("clusterName must be the name of the cluster"), "{name}");
    }
}

#[test]
fn a_backup_stays_one_of_its_cluster_and_its_deletion_policy_may_change() {
    let old = backup(&json!({"clusterName": "kv", "deletionPolicy": "Retain"}));
    let kept = backup(&json!({"clusterName": "kv", "deletionPolicy": "Delete"}));
    assert_eq!(refusals(&kept, Some(&old)), Vec::<String>::new());
    let moved = backup(&json!({"clusterName": "other", "deletionPolicy": "Retain"}));
    let refusals = refusals(&moved, Some(&old));
    assert!(refusals[0].contains("create another Backup"), "{refusals:?}");
}

#[test]
fn a_phase_of_a_newer_operator_can_be_read() {
    let status: BackupStatus =
        serde_json::from_value(json!({"phase": "Mirrored", "revision": 7})).unwrap();
    assert_eq!((status.phase, status.revision), (Some(BackupPhase::Unknown), Some(7)));
}
