//! What the kustomizations grant, probe and leave behind.

use anyhow::{Context, ensure};
use serde_json::json;

use crate::{documents, render};

#[tokio::test]
async fn no_role_grants_everything_or_lists_secrets() -> anyhow::Result<()> {
    for folder in ["operator", "namespaced", "local"] {
        for manifest in documents(&render(folder).await?)? {
            let kind = manifest["kind"].as_str().unwrap_or_default();
            let is_whole_cluster = kind.starts_with("ClusterRole");
            ensure!(folder != "namespaced" || !is_whole_cluster, "deploy/{folder} has a {kind}");
            let rules = manifest["rules"].to_string();
            ensure!(!rules.contains("\"*\""), "deploy/{folder} grants everything: {rules}");
            for rule in manifest["rules"].as_array().into_iter().flatten() {
                let has = |field: &str, word: &str| {
                    rule[field].as_array().is_some_and(|all| all.iter().any(|one| one == word))
                };
                let lists = ["list", "watch", "deletecollection"];
                let lists_secrets =
                    has("resources", "secrets") && lists.iter().any(|verb| has("verbs", verb));
                ensure!(!lists_secrets, "deploy/{folder} lists Secrets: {rule}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_operator_is_probed_bounded_and_runs_without_rights_on_its_node() -> anyhow::Result<()>
{
    for folder in ["operator", "namespaced", "local"] {
        let manifests = documents(&render(folder).await?)?;
        let deployment = manifests.iter().find(|one| one["kind"] == "Deployment");
        let pod = &deployment.context("no Deployment")?["spec"]["template"]["spec"];
        ensure!(pod["securityContext"]["runAsNonRoot"] == true, "{folder}: it may run as root");
        ensure!(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "{folder}");
        let containers = pod["containers"].as_array().context("no containers")?;
        ensure!(!containers.is_empty(), "{folder}: no containers");
        for container in containers {
            let probe = |name: &str| container[name]["httpGet"]["path"].clone();
            ensure!(probe("livenessProbe") == "/healthz", "{folder}: {container}");
            ensure!(probe("readinessProbe") == "/readyz", "{folder}: {container}");
            let resources = &container["resources"];
            for (kind, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")]
            {
                ensure!(resources[kind][what].is_string(), "{folder}: no {kind} of {what}");
            }
            let security = &container["securityContext"];
            ensure!(security["allowPrivilegeEscalation"] == false, "{folder}: {security}");
            ensure!(security["readOnlyRootFilesystem"] == true, "{folder}: {security}");
            ensure!(security["capabilities"]["drop"] == json!(["ALL"]), "{folder}: {security}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn uninstalling_the_operator_leaves_the_definition() -> anyhow::Result<()> {
    for folder in ["operator", "namespaced"] {
        let manifests = documents(&render(folder).await?)?;
        ensure!(manifests.iter().any(|manifest| manifest["kind"] == "Deployment"));
        let has_definition =
            manifests.iter().any(|manifest| manifest["kind"] == "CustomResourceDefinition");
        ensure!(!has_definition, "deleting deploy/{folder} would delete every cluster");
    }
    Ok(())
}
