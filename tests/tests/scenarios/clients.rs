//! What clients get: of etcd only members that serve, and of the API what any program in a pod may do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Cluster, Phase, Role};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tests::localkube::ProcessFault;
use tests::scenario::{Look, PATIENCE, Sandbox, holds_for, request, until};

/// The pods that the client service of a cluster leads to.
async fn served_by(sandbox: &Sandbox, cluster: &str) -> Result<BTreeSet<String>> {
    let service = api::objects::client_service(cluster);
    let of_it = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let slices = request(sandbox.api::<EndpointSlice>().list(&of_it)).await?;
    let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints);
    let ready = endpoints.filter(|endpoint| {
        endpoint.conditions.as_ref().is_some_and(|conditions| conditions.ready == Some(true))
    });
    Ok(ready.filter_map(|endpoint| endpoint.target_ref?.name).collect())
}

#[tokio::test]
async fn a_learner_is_never_behind_the_client_service() -> Result<()> {
    Sandbox::run("learner", async |sandbox| {
        let cluster = sandbox.cluster("pupil", json!({"size": 1})).await?;
        let voter = cluster.whole(1).await?.names();
        cluster.change(json!({"size": 2})).await?;
        until("a learner", PATIENCE, async || {
            let members = Box::pin(cluster.members()).await?.members;
            Ok(Look::claim(members.iter().any(|one| one.is_learner), || format!("{members:?}")))
        })
        .await?;
        // It stays one for as long as nobody promotes it.
        cluster.change(json!({"paused": true})).await?;
        let status = cluster
            .until("a started learner while it is paused", PATIENCE, |status| {
                let learns = status.member_statuses.iter().any(|row| row.role == Role::Learner);
                learns && status.phase == Some(Phase::Paused)
            })
            .await?;
        let learner = status.member_statuses.iter().find(|row| row.role == Role::Learner);
        let learner = learner.context("no learner")?.name.clone();
        sandbox.say("it learns");
        holds_for("the voter alone serves clients", Duration::from_secs(20), async || {
            let serving = served_by(sandbox, "pupil").await?;
            ensure!(serving == voter, "{serving:?} serve, and {learner} learns");
            Ok(())
        })
        .await?;
        cluster.change(json!({"paused": false})).await?;
        let both = cluster.whole(2).await?.names();
        until("both serve clients", PATIENCE, async || {
            let serving = served_by(sandbox, "pupil").await?;
            Ok(Look::claim(serving == both, || format!("{serving:?}")))
        })
        .await
    })
    .await
}

#[tokio::test]
async fn a_member_that_is_not_ready_is_taken_out_of_the_client_service() -> Result<()> {
    Sandbox::run("unready", async |sandbox| {
        let cluster = sandbox.cluster("unready", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        let hung = whole.follower()?;
        cluster.fault(&sandbox.kube, hung, ProcessFault::Stop).await?;
        let mut others = whole.names();
        others.remove(&hung.name_any());
        until("the two others serve clients", PATIENCE, async || {
            let serving = served_by(sandbox, "unready").await?;
            Ok(Look::claim(serving == others, || format!("{serving:?}")))
        })
        .await?;
        drop(cluster.fault(&sandbox.kube, hung, ProcessFault::Continue).await);
        cluster.whole(3).await.map(drop)
    })
    .await
}

/// One after the other, each by a container of its own: create, five updates, read, delete.
#[tokio::test]
async fn a_pod_creates_updates_five_times_and_deletes_a_cluster() -> Result<()> {
    Sandbox::run("in-pod", async |sandbox| {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "user"}});
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "user"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": sandbox.namespace()}],
        });
        let manifest = json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
            "metadata": {"name": "by-pod"}, "spec": {"size": 1},
        });
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "manifest"},
                         "data": {"cluster.json": manifest.to_string()}});
        for object in [account, binding, map, user_pod()?] {
            sandbox.kubectl(&["apply", "-f", "-"], &object.to_string()).await?;
        }
        until("the pod has succeeded", Duration::from_mins(5), async || {
            let pod = request(sandbox.api::<Pod>().get("user")).await?;
            let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
            ensure!(phase != "Failed", "the pod failed");
            Ok(Look::claim(phase == "Succeeded", || phase.clone()))
        })
        .await?;
        let left = request(sandbox.api::<Cluster>().get_opt("by-pod")).await?;
        ensure!(left.is_none(), "the cluster is still there");
        Ok(())
    })
    .await
}

fn user_pod() -> Result<Value> {
    let mut init = vec![kubectl_in_pod("create", &["create", "-f", "/manifest/cluster.json"])];
    for size in [3, 2, 1, 2, 3] {
        let patch = format!(r#"{{"spec":{{"size":{size}}}}}"#);
        let args = ["patch", "etcd", "by-pod", "--type=merge", "-p", &patch];
        init.push(kubectl_in_pod(&format!("update-{}", init.len()), &args));
    }
    let ready = "--for=jsonpath={.status.ready}=3/3";
    init.push(kubectl_in_pod("read", &["wait", "etcd/by-pod", ready, "--timeout=180s"]));
    let delete = kubectl_in_pod("delete", &["delete", "etcd", "by-pod", "--wait", "--timeout=60s"]);
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "user"}, "spec": {
        "serviceAccountName": "user", "restartPolicy": "Never",
        "initContainers": init, "containers": [delete],
        "volumes": [
            {"name": "kubectl", "hostPath": {"path": kubectl()?, "type": "File"}},
            {"name": "manifest", "configMap": {"name": "manifest"}},
        ],
    }}))
}

/// Any image will do: kubectl is one file, and the nodes are this machine.
fn kubectl_in_pod(name: &str, args: &[&str]) -> Value {
    json!({
        "name": name, "image": "localhost/etcd-operator:dev", "imagePullPolicy": "IfNotPresent",
        "command": ["/kubectl"], "args": args,
        "volumeMounts": [
            {"name": "kubectl", "mountPath": "/kubectl", "readOnly": true},
            {"name": "manifest", "mountPath": "/manifest", "readOnly": true},
        ],
    })
}

fn kubectl() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join("kubectl")).find(|it| it.is_file());
    found.context("kubectl is not on PATH: run this with `cargo xtask kube exec`")
}
