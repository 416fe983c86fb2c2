//! Objects of others that bear our names or labels.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Sandbox, holds_for, request, until};

#[tokio::test]
async fn a_foreign_service_is_never_touched_and_the_clash_is_reported() -> Result<()> {
    Sandbox::run("clash", async |sandbox| {
        let theirs = foreign_service(sandbox, "clash", "10.0.0.1").await?;
        let cluster = sandbox.cluster("clash", json!({"size": 1})).await?;

        reported(&cluster, "Service clash exists and does not belong to this cluster").await?;
        is_untouched(sandbox, &theirs).await?;
        ensure!(cluster.pods().await?.is_empty(), "a member was started without its names");

        remove(sandbox, "clash").await?;
        cluster.whole(1).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_foreign_client_service_does_not_keep_the_members_from_being_healed() -> Result<()> {
    Sandbox::run("clash-client", async |sandbox| {
        let theirs = foreign_service(sandbox, "door-client", "10.0.0.2").await?;
        let cluster = sandbox.cluster("door", json!({"size": 2})).await?;

        reported(&cluster, "Service door-client exists and does not belong").await?;
        cluster
            .until("two healthy members", PATIENCE, |status| status.ready.as_deref() == Some("2/2"))
            .await?;
        is_untouched(sandbox, &theirs).await?;

        remove(sandbox, "door-client").await?;
        cluster
            .until("no word of the clash", PATIENCE, |status| {
                !status.message.as_ref().is_some_and(|message| message.contains("door-client"))
            })
            .await?;
        let ours = request(sandbox.api::<Service>().get("door-client")).await?;
        ensure!(ours.owner_references()[0].uid == cluster.uid, "it is not the cluster's");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_foreign_pod_with_our_labels_or_name_is_never_touched() -> Result<()> {
    Sandbox::run("clash-pod", async |sandbox| {
        let labelled = foreign_pod(sandbox, "stray-0009").await?;
        let named = foreign_pod(sandbox, "stray-0000").await?;
        let cluster = sandbox.cluster("stray", json!({"size": 2})).await?;

        // A name that is taken costs a number, and numbers are for nothing else.
        let members = cluster.whole(2).await?.names();
        ensure!(!members.contains("stray-0000"), "a member bears the foreign pod's name");
        told(sandbox, "NameClash", "Pod stray-0000 exists and does not belong").await?;
        still_there(sandbox, &[&labelled, &named]).await?;

        cluster.delete().await?;
        holds_for("both pods", Duration::from_secs(5), async || {
            still_there(sandbox, &[&labelled, &named]).await
        })
        .await
    })
    .await
}

/// As it was made, but for what Kubernetes itself writes.
async fn still_there(sandbox: &Sandbox, pods: &[&Pod]) -> Result<()> {
    for pod in pods {
        let now = request(sandbox.api::<Pod>().get(&pod.name_any())).await?;
        ensure!(now.uid() == pod.uid(), "{} was replaced", pod.name_any());
        ensure!(now.metadata.deletion_timestamp.is_none(), "{} goes", pod.name_any());
        ensure!(now.labels() == pod.labels(), "{} has other labels", pod.name_any());
        ensure!(now.annotations() == pod.annotations(), "{} is annotated", pod.name_any());
    }
    Ok(())
}

async fn reported(cluster: &tests::scenario::TestCluster, words: &str) -> Result<()> {
    let says = |status: &api::v1beta1::ClusterStatus| {
        status.message.as_ref().is_some_and(|message| message.contains(words))
    };
    cluster.until(&format!("the message {words:?}"), PATIENCE, says).await.map(drop)
}

/// By an Event, which stays when the message has gone on.
async fn told(sandbox: &Sandbox, reason: &str, words: &str) -> Result<()> {
    until(&format!("an Event {reason}"), PATIENCE, async || {
        let events = request(sandbox.api::<Event>().list(&ListParams::default())).await?;
        let is_it = |event: &Event| {
            event.reason.as_deref() == Some(reason)
                && event.note.as_ref().is_some_and(|note| note.contains(words))
        };
        let notes = || format!("{:?}", events.iter().map(|event| &event.note).collect::<Vec<_>>());
        Ok(Look::claim(events.iter().any(is_it), notes))
    })
    .await
}

async fn foreign_service(sandbox: &Sandbox, name: &str, external: &str) -> Result<Service> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name},
        "spec": {"externalIPs": [external], "ports": [{"port": 80}]},
    });
    let params = PatchParams::apply("someone-else");
    request(sandbox.api::<Service>().patch(name, &params, &Patch::Apply(service))).await
}

/// It stays Pending: no node has the label that it asks for.
async fn foreign_pod(sandbox: &Sandbox, name: &str) -> Result<Pod> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {
            "app": "etcd", "etcd_cluster": "stray", "etcd_node": name,
        }},
        "spec": {
            "nodeSelector": {"nobody": "has-it"},
            "containers": [{"name": "etcd", "image": "localhost/none:1"}],
        },
    });
    let params = PatchParams::apply("someone-else");
    request(sandbox.api::<Pod>().patch(name, &params, &Patch::Apply(pod))).await
}

async fn is_untouched(sandbox: &Sandbox, theirs: &Service) -> Result<()> {
    let name = theirs.name_any();
    holds_for("the foreign service as it was", Duration::from_secs(5), async || {
        let now = request(sandbox.api::<Service>().get(&name)).await?;
        ensure!(now.resource_version() == theirs.resource_version(), "it was changed: {now:?}");
        Ok(())
    })
    .await
}

async fn remove(sandbox: &Sandbox, service: &str) -> Result<()> {
    let api = sandbox.api::<Service>();
    request(api.delete(service, &DeleteParams::default())).await.map(drop)
}
