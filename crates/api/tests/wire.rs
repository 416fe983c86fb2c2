//! How the types look as JSON: what a manifest may leave out, and what older and newer programs
//! find in it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where it fails")]

use std::{fs, path::Path};

use api::v1beta1::{
    Backup, Cluster, ClusterSpec, ClusterStatus, MembersStatus, Phase, QuorumLossPolicy,
    StorageType,
};
use serde_json::{Value, json};

#[test]
fn a_spec_of_nothing_but_size_has_the_documented_defaults() {
    let spec: ClusterSpec = serde_json::from_value(json!({ "size": 3 })).unwrap();
    assert!(!spec.paused);
    assert_eq!(spec.recovery.quorum_loss, QuorumLossPolicy::Automatic);
    assert_eq!(spec.recovery.replace_after.get().as_mins(), 5);
    assert_eq!((spec.version, spec.repository, spec.pod), (None, None, None));
}

#[test]
fn half_a_recovery_policy_keeps_the_default_of_the_other_half() {
    let spec: ClusterSpec =
        serde_json::from_value(json!({ "size": 3, "recovery": { "replaceAfter": "90s" } }))
            .unwrap();
    assert_eq!(spec.recovery.quorum_loss, QuorumLossPolicy::Automatic);
    assert_eq!(spec.recovery.replace_after.get().as_secs(), 90);
}

#[test]
fn the_schema_and_the_types_have_the_same_defaults() {
    let crd = serde_json::to_value(api::crd::cluster()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let read: ClusterSpec = serde_json::from_value(json!({ "size": 3 })).unwrap();
    let recovery = &spec["properties"]["recovery"];
    assert_eq!(recovery["default"], serde_json::to_value(read.recovery).unwrap());
    for (field, value) in recovery["default"].as_object().unwrap() {
        assert_eq!(&recovery["properties"][field]["default"], value, "{field}");
    }
}

#[test]
fn the_seeds_empty_storage_type_is_a_persistent_volume() {
    assert_eq!(
        serde_json::from_value::<StorageType>(json!("")).unwrap(),
        StorageType::PersistentVolume
    );
}

#[test]
fn a_phase_of_a_newer_operator_does_not_hide_the_rest_of_the_status() {
    let status: ClusterStatus =
        serde_json::from_value(json!({ "phase": "Dreaming", "nextMember": 4, "served": true }))
            .unwrap();
    assert_eq!(status.phase, Some(Phase::Unknown));
    assert_eq!((status.next_member, status.served), (4, true));
}

#[test]
fn the_status_has_the_seeds_names() {
    let status = ClusterStatus {
        phase: Some(Phase::Running),
        size: Some(1),
        members: Some(MembersStatus { ready: vec!["kv-0000".to_owned()], unready: Vec::new() }),
        current_version: Some("3.6.16".to_owned()),
        target_version: Some("3.7.3".to_owned()),
        ..ClusterStatus::default()
    };
    let seed = json!({
        "phase": "Running",
        "size": 1,
        "members": { "ready": ["kv-0000"], "unready": [] },
        "currentVersion": "3.6.16",
        "targetVersion": "3.7.3",
    });
    let written = serde_json::to_value(status).unwrap();
    assert!(is_part_of(&seed, &written), "{written}");
}

#[test]
fn nothing_that_the_examples_ask_for_is_lost() {
    let examples = examples();
    assert!(examples.len() >= 10, "the examples are gone");
    for (file, manifest) in examples {
        let read = match manifest["kind"].as_str() {
            Some("Cluster") => {
                let cluster: Cluster = serde_json::from_value(manifest.clone()).unwrap();
                serde_json::to_value(&cluster.spec).unwrap()
            }
            Some("Backup") => {
                let backup: Backup = serde_json::from_value(manifest.clone()).unwrap();
                serde_json::to_value(&backup.spec).unwrap()
            }
            // Kubernetes' own, which the test of deploy/ gives to a real API server.
            _ => continue,
        };
        assert!(is_part_of(&manifest["spec"], &read), "{file}: {read} of {manifest}");
    }
}

/// The manifests in deploy/examples, with their file names.
fn examples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples");
    let files = [folder.clone(), folder.join("seed")].map(|folder| fs::read_dir(folder).unwrap());
    let files = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .flat_map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let manifests: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
            manifests.into_iter().map(move |manifest| (file.display().to_string(), manifest))
        })
        .collect()
}

/// Whether everything in `part` is in `whole`, which may hold defaults besides.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, value)| whole.get(name).is_some_and(|found| is_part_of(value, found))),
        (Value::String(part), Value::String(whole)) => part == whole || same_duration(part, whole),
        _ => part == whole,
    }
}

fn same_duration(one: &str, other: &str) -> bool {
    let parse = |text: &str| text.parse::<api::duration::Duration>().ok();
    parse(one).is_some() && parse(one) == parse(other)
}
