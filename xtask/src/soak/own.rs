//! An operator of one's own: `deploy/namespaced` in the round's namespace, from the images with fault
//! points. Whoever else uses this Kubernetes keeps the operator that all share, which leaves this namespace
//! alone.

use ::tests::localkube::workspace;
use ::tests::scenario::operator::{NAME, apply_all, render};
use ::tests::scenario::{Look, PATIENCE, Sandbox, away_from, is_ready, request, until};
use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::points::Points;
use crate::images::Set;

/// Deploys it and waits until it works.
pub(super) async fn deploy(sandbox: &Sandbox, points: &Points) -> Result<()> {
    let mut manifests = render(&sandbox.kube, &workspace().join("deploy/namespaced")).await?;
    for manifest in &mut manifests {
        place(manifest, sandbox.namespace());
        if manifest.get("kind") == Some(&"Deployment".into()) {
            let container = manifest
                .pointer_mut("/spec/template/spec/containers/0")
                .context("the operator's Deployment has no container")?;
            arm(container, points)?;
            let spec = manifest.get_mut("spec").context("the Deployment has no spec")?;
            set(spec, "replicas", json!(1));
            let pod = spec.pointer_mut("/template/spec").context("no pod's spec")?;
            set(pod, "affinity", away_from("n3"));
        }
    }
    manifests.extend(rights_on_nodes(sandbox).await?);
    apply_all(&sandbox.kube, &manifests).await?;
    works(sandbox).await
}

/// Waits until it holds its Lease: before, the shared one would look after the namespace.
pub(super) async fn works(sandbox: &Sandbox) -> Result<()> {
    let (pods, leases): (Api<Pod>, Api<Lease>) = (sandbox.api(), sandbox.api());
    let ours = ListParams::default().labels("app.kubernetes.io/name=etcd-operator");
    until("the round's own operator", PATIENCE, async || {
        let pods = request(pods.list(&ours)).await?.items;
        let lease = request(leases.get_opt(NAME)).await?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
        let works = pods.iter().any(|pod| is_ready(pod) && pod.name_any() == holder);
        Ok(Look::claim(works, || format!("{} pods, the Lease is {holder:?}'s", pods.len())))
    })
    .await
}

/// Kustomize has put everything, and whom rights are given to, into `default`.
fn place(manifest: &mut Value, namespace: &str) {
    if let Some(metadata) = manifest.get_mut("metadata") {
        set(metadata, "namespace", json!(namespace));
    }
    let subjects = manifest.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        set(subject, "namespace", json!(namespace));
    }
}

fn arm(container: &mut Value, points: &Points) -> Result<()> {
    let image = |name: &str| format!("localhost/{name}:{}", Set::Armed.tag());
    let env = container.get_mut("env").and_then(Value::as_array_mut).context("no variables")?;
    let ours = [
        ("INIT_IMAGE", image("etcd-restore-init")),
        ("SIDECAR_IMAGE", image("etcd-backup-sidecar")),
        ("WATCH_NODES", "true".to_owned()),
        (fault::VARIABLE, points.variable()),
    ];
    let is_ours = |variable: &Value| {
        let name = variable.get("name").and_then(Value::as_str);
        ours.iter().any(|(ours, _)| Some(*ours) == name)
    };
    env.retain(|variable| !is_ours(variable));
    env.extend(ours.iter().map(|(name, value)| json!({"name": name, "value": value})));
    set(container, "image", json!(image(NAME)));
    set(container, "imagePullPolicy", json!("IfNotPresent"));
    Ok(())
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// So that it recovers by itself, as the operator of all namespaces does. They go with the namespace.
async fn rights_on_nodes(sandbox: &Sandbox) -> Result<[Value; 2]> {
    let name = sandbox.namespace();
    let namespaces: Api<Namespace> = Api::all(sandbox.client.clone());
    let uid = request(namespaces.get(name)).await?.uid().context("the namespace has no UID")?;
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": name, "uid": uid});
    let metadata = json!({"name": name, "ownerReferences": [owner]});
    let group = "rbac.authorization.k8s.io";
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": metadata,
        "rules": [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]},
        ],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": name}],
    });
    Ok([role, binding])
}
