//! How the operator itself runs, whatever overlay deploys it.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that reads a manifest")]

use serde_json::{Value, json};

const DEPLOYMENT: &str = include_str!("../../deploy/base/deployment.yaml");

#[test]
fn it_runs_without_privileges_with_probes_and_within_limits_in_two_replicas() {
    let deployment: Value = serde_saphyr::from_str(DEPLOYMENT).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!((&deployment["spec"]["replicas"], containers.len()), (&json!(2), 1));
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let operator = &containers[0];
    let security = &operator["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    let path = |probe: &str| operator[probe]["httpGet"]["path"].clone();
    assert_eq!(
        (path("livenessProbe"), path("readinessProbe")),
        (json!("/healthz"), json!("/readyz"))
    );
    for figure in ["requests", "limits"] {
        assert!(operator["resources"][figure]["memory"].is_string(), "{figure}");
    }
    // SIGTERM ends it within five seconds.
    assert!(pod["terminationGracePeriodSeconds"].as_i64().unwrap() >= 5);
}
