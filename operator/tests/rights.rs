//! The operator may do what it does and nothing else: each right in `deploy` is used by a line of code.
//!
//! A right without a line here, a line whose code is gone, and a right of one variant that the other
//! lacks are all found. That a right which is needed is missing is found by the scenarios.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that reads manifests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

const CLUSTER_ROLE: &str = include_str!("../../deploy/operator/cluster-role.yaml");
const ROLE: &str = include_str!("../../deploy/namespaced/role.yaml");

/// Watches and the lists that they begin with.
const WATCHES: &str = "src/caches.rs";

/// A verb on a resource, and the file and the code that use it.
type Use = (&'static str, &'static [&'static str], &'static str, &'static str);

const USES: &[Use] = &[
    ("clusters", &["list", "watch"], WATCHES, "watch(scoped(client, namespace), all"),
    ("clusters", &["get"], "src/observe/mod.rs", "reading the cluster"),
    ("clusters", &["patch"], "src/backup/attend.rs", "finalizer::put_on"),
    ("clusters/status", &["update"], "src/status.rs", "replace_status"),
    ("pods", &["list", "watch"], WATCHES, "(pods, on_pods) = watch"),
    ("pods", &["get"], "src/act/pods.rs", "self.pods().get("),
    ("pods", &["create"], "src/act/pods.rs", "self.pods().create("),
    ("pods", &["patch"], "src/act/pods.rs", "marking a pod"),
    ("pods", &["delete"], "src/act/pods.rs", "deleting a pod"),
    ("services", &["list", "watch"], WATCHES, "(services, on_services) = watch"),
    ("services", &["get", "create", "patch"], "src/objects.rs", "&caches.services"),
    ("services", &["delete"], "src/backup/attend.rs", "remove::<Service>"),
    ("backups", &["list", "watch"], WATCHES, "(backups, on_backups) = watch"),
    ("backups", &["get"], "src/backup/order.rs", "reading the backup"),
    ("backups", &["create"], "src/backup/records.rs", "recording a backup"),
    ("backups", &["patch"], "src/backup/order.rs", "finalizer::put_on"),
    ("backups", &["delete"], "src/backup/records.rs", "deleting a record"),
    ("backups/status", &["update"], "src/backup/records.rs", "replace_status"),
    ("deployments", &["list", "watch"], WATCHES, "(deployments, on_deployments) = watch"),
    ("deployments", &["get", "create", "patch"], "src/backup/attend.rs", "cluster, deployment)"),
    ("deployments", &["delete"], "src/backup/attend.rs", "remove::<Deployment>"),
    ("configmaps", &["list", "watch"], WATCHES, "(config_maps, on_config_maps) = watch"),
    ("configmaps", &["get", "create", "patch"], "src/backup/attend.rs", "cluster, map)"),
    ("configmaps", &["delete"], "src/backup/attend.rs", "remove::<ConfigMap>"),
    ("persistentvolumeclaims", &["list", "watch"], WATCHES, "(claims, on_claims) = watch"),
    ("persistentvolumeclaims", &["get"], "src/backup/volume.rs", "self.api.get_opt"),
    ("persistentvolumeclaims", &["create"], "src/backup/volume.rs", "self.api.create"),
    ("persistentvolumeclaims", &["patch"], "src/backup/volume.rs", "self.api.patch"),
    ("persistentvolumeclaims", &["delete"], "src/backup/volume.rs", "self.api.delete"),
    ("secrets", &["get"], "src/backup/secrets.rs", "self.api.get_opt"),
    ("secrets", &["create", "patch"], "src/backup/secrets.rs", "self.api.patch"),
    ("secrets", &["delete"], "src/backup/secrets.rs", "remove::<Secret>"),
    ("poddisruptionbudgets", &["list", "watch"], WATCHES, "(budgets, on_budgets) = watch"),
    ("poddisruptionbudgets", &["get", "create", "patch"], "src/objects.rs", "&caches.budgets"),
    ("endpointslices", &["list", "watch"], WATCHES, "(slices, on_slices) = watch"),
    ("nodes", &["list", "watch"], WATCHES, "watch(Api::all(client.clone()), all, prune_node)"),
    ("nodes", &["get"], "src/observe/nodes.rs", "reading a node"),
    ("leases", &["get"], "src/rival.rs", "reading a Lease"),
    ("leases", &["get"], "src/observe/absence.rs", "reading a node's Lease"),
    ("events", &["create", "patch"], "src/announce.rs", "self.recorder.publish"),
];

type Rights = BTreeMap<String, BTreeSet<String>>;

/// The rights of the first role in a manifest, by resource.
fn granted(manifest: &str) -> Rights {
    let documents: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let mut rights = Rights::new();
    for rule in documents[0]["rules"].as_array().unwrap() {
        for resource in texts(&rule["resources"]) {
            rights.entry(resource).or_default().extend(texts(&rule["verbs"]));
        }
    }
    rights
}

fn used() -> Rights {
    let mut rights = Rights::new();
    for (resource, verbs, ..) in USES {
        let verbs = verbs.iter().map(|verb| (*verb).to_owned());
        rights.entry((*resource).to_owned()).or_default().extend(verbs);
    }
    rights
}

#[test]
fn every_right_is_used_and_none_is_missing() {
    assert_eq!(granted(CLUSTER_ROLE), used());
}

#[test]
fn in_one_namespace_the_rights_are_the_same_but_for_nodes_and_others_leases() {
    let mut used = used();
    used.remove("nodes");
    used.remove("leases");
    assert_eq!(granted(ROLE), used);
}

#[test]
fn the_code_that_uses_a_right_is_there() {
    for (resource, verbs, file, code) in USES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(code), "{verbs:?} on {resource}: {file} has no `{code}` any more");
    }
}

/// Whoever may list Secrets may read them all.
#[test]
fn secrets_are_never_listed() {
    for manifest in [CLUSTER_ROLE, ROLE] {
        let secrets = &granted(manifest)["secrets"];
        assert!(!secrets.contains("list") && !secrets.contains("watch"), "{secrets:?}");
    }
}
