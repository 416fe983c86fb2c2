//! Clusters come, are told apart, and go.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use api::labels::CLUSTER_UID;
use api::v1beta1::{Cluster, Phase};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, request, until};

#[tokio::test]
async fn a_cluster_of_three_is_created() -> Result<()> {
    Sandbox::run("create", async |sandbox| {
        let cluster = sandbox.cluster("orchard", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        sandbox.say("three members serve");
        let service = whole.status.service_name.unwrap_or_default();
        ensure!(service == "orchard-client", "the status names the service {service:?}");
        let service = request(sandbox.api::<Service>().get(&service)).await?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap_or_default();
        serves_at(&address).await
    })
    .await
}

/// Clients come by the service's address.
async fn serves_at(address: &str) -> Result<()> {
    until("a key written and read by the client service", PATIENCE, async || {
        let endpoint = etcd::Endpoint { url: format!("http://{address}:2379"), server_name: None };
        let timeouts = etcd::Timeouts::default();
        let client = Box::pin(etcd::MemberClient::connect(&endpoint, &timeouts)).await?;
        client.put(b"pears", b"12").await?;
        let read = client.get(b"pears").await?.map(|kv| kv.value);
        Ok(Look::claim(read.as_deref() == Some(b"12"), || format!("{read:?}")))
    })
    .await
}

#[tokio::test]
async fn the_status_names_the_ready_members() -> Result<()> {
    Sandbox::run("status", async |sandbox| {
        let cluster = sandbox.cluster("one", json!({"size": 1})).await?;
        let whole = cluster.whole(1).await?;
        let members = whole.status.members.unwrap_or_default();
        ensure!(members.ready == ["one-0000"], "ready are {:?}", members.ready);
        ensure!(members.unready.is_empty(), "unready are {:?}", members.unready);
        let row = &whole.status.member_statuses[0];
        ensure!(row.id.as_deref() == Some(&*whole.list.members[0].id.to_string()), "{row:?}");
        ensure!(row.version.as_deref() == whole.status.current_version.as_deref(), "{row:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_client_of_the_api_creates_reads_updates_and_deletes() -> Result<()> {
    Sandbox::run("client", async |sandbox| {
        let api: Api<Cluster> = sandbox.api();
        let spec = serde_json::from_value(json!({"size": 1}))?;
        let made = Cluster::new("by-client", spec);
        request(api.create(&PostParams::default(), &made)).await?;

        let read = request(api.get("by-client")).await?;
        ensure!(read.spec.size == 1, "size is {}", read.spec.size);

        // Until no status is written between reading and replacing.
        until("an update", PATIENCE, async || {
            let mut changed = request(api.get("by-client")).await?;
            changed.spec.size = 2;
            request(api.replace("by-client", &PostParams::default(), &changed)).await?;
            Ok(Look::Is(()))
        })
        .await?;
        until("two members", PATIENCE, async || {
            let status = request(api.get("by-client")).await?.status.unwrap_or_default();
            let ready = status.ready.clone();
            Ok(Look::claim(ready.as_deref() == Some("2/2"), || format!("{:?}", status.message)))
        })
        .await?;

        request(api.delete("by-client", &DeleteParams::default())).await?;
        until("NotFound", PATIENCE, async || {
            let there = request(api.get_opt("by-client")).await?;
            Ok(Look::claim(there.is_none(), || "it is still there".into()))
        })
        .await?;
        gone::<Pod>(sandbox, &read.uid().unwrap_or_default()).await
    })
    .await
}

#[tokio::test]
async fn clusters_of_one_name_in_two_namespaces_are_two() -> Result<()> {
    Sandbox::run("here", async |here| {
        Sandbox::run("there", async |there| {
            let (one, other) = tokio::try_join!(
                here.cluster("twin", json!({"size": 1})),
                there.cluster("twin", json!({"size": 1})),
            )?;
            let (whole_one, whole_other) = tokio::try_join!(one.whole(1), other.whole(1))?;
            ensure!(whole_one.list.cluster_id != whole_other.list.cluster_id, "one etcd cluster");
            one.client().await?.put(b"side", b"here").await?;
            other.client().await?.put(b"side", b"there").await?;

            one.delete().await?;
            all_gone(here, &one).await?;
            let kept = other.client().await?.get(b"side").await?.map(|kv| kv.value);
            ensure!(kept.as_deref() == Some(b"there"), "the other one holds {kept:?}");
            other.whole(1).await.map(drop)
        })
        .await
    })
    .await
}

#[tokio::test]
async fn deleting_a_cluster_leaves_nothing_of_it_and_everything_else() -> Result<()> {
    Sandbox::run("delete", async |sandbox| {
        let cluster = sandbox.cluster("leaves", json!({"size": 2})).await?;
        let neighbour = sandbox.cluster("leaves-more", json!({"size": 1})).await?;
        bystander(sandbox).await?;
        cluster.whole(2).await?;
        let before = neighbour.whole(1).await?;

        cluster.delete().await?;

        all_gone(sandbox, &cluster).await?;
        let after = neighbour.whole(1).await?;
        ensure!(after.list == before.list, "the neighbour's members changed");
        let uids = |pods: &[Pod]| pods.iter().map(ResourceExt::uid).collect::<Vec<_>>();
        ensure!(uids(&after.pods) == uids(&before.pods), "the neighbour's pods changed");
        request(sandbox.api::<ConfigMap>().get("leaves")).await.map(drop)
    })
    .await
}

/// A foreign object that bears the cluster's name and labels.
async fn bystander(sandbox: &Sandbox) -> Result<()> {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "leaves", "labels": {"app": "etcd", "etcd_cluster": "leaves"}
    }});
    let params = PatchParams::apply("someone-else");
    request(sandbox.api::<ConfigMap>().patch("leaves", &params, &Patch::Apply(map))).await?;
    Ok(())
}

/// Nothing bears the cluster's UID any more.
async fn all_gone(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    gone::<Pod>(sandbox, &cluster.uid).await?;
    gone::<Service>(sandbox, &cluster.uid).await?;
    gone::<PodDisruptionBudget>(sandbox, &cluster.uid).await?;
    gone::<EndpointSlice>(sandbox, &cluster.uid).await
}

async fn gone<K>(sandbox: &Sandbox, uid: &str) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = sandbox.api();
    let of_it = ListParams::default().labels(&format!("{CLUSTER_UID}={uid}"));
    until(&format!("no {} of the cluster", K::plural(&())), PATIENCE, async || {
        let left: Vec<String> =
            request(api.list(&of_it)).await?.iter().map(ResourceExt::name_any).collect();
        Ok(Look::claim(left.is_empty(), || format!("{left:?}")))
    })
    .await
}

#[tokio::test]
async fn a_cluster_made_anew_under_its_name_at_once_is_another() -> Result<()> {
    Sandbox::run("anew", async |sandbox| {
        let first = sandbox.cluster("phoenix", json!({"size": 3})).await?;
        let before = first.whole(3).await?;
        first.client().await?.put(b"ashes", b"cold").await?;

        first.delete().await?;
        let second = sandbox.cluster("phoenix", json!({"size": 3})).await?;

        ensure!(second.uid != first.uid, "the old object is still there");
        let after = second.whole(3).await?;
        ensure!(after.list.cluster_id != before.list.cluster_id, "the old etcd cluster goes on");
        let ids = |list: &etcd::MemberList| {
            list.members.iter().map(|member| member.id).collect::<BTreeSet<_>>()
        };
        ensure!(ids(&after.list).is_disjoint(&ids(&before.list)), "an old member is in it");
        let key = second.client().await?.get(b"ashes").await?;
        ensure!(key.is_none(), "it holds the old one's data");
        gone::<Pod>(sandbox, &first.uid).await
    })
    .await
}

#[tokio::test]
async fn a_paused_cluster_is_left_alone_and_then_healed() -> Result<()> {
    Sandbox::run("pause", async |sandbox| {
        let cluster = sandbox.cluster("rest", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        cluster.change(json!({"paused": true})).await?;
        cluster.phase(Phase::Paused).await?;

        let killed = whole.follower()?;
        cluster.kill(killed).await?;

        let lost = killed.name_any();
        let message = "two pods and three members while it is paused";
        tests::scenario::holds_for(message, Duration::from_secs(10), async || {
            let pods: Vec<_> = cluster.pods().await?.iter().map(ResourceExt::name_any).collect();
            ensure!(pods.len() == 2 && !pods.contains(&lost), "the pods are {pods:?}");
            let members = cluster.members().await?.members.len();
            ensure!(members == 3, "there are {members} members");
            ensure!(cluster.status().await?.phase == Some(Phase::Paused), "it is not Paused");
            Ok(())
        })
        .await?;
        let named = cluster.status().await?.members.unwrap_or_default().unready;
        ensure!(named == [lost.clone()], "the status names {named:?} as unready");

        cluster.change(json!({"paused": false})).await?;
        let members = cluster.whole(3).await?.names();
        ensure!(!members.contains(&lost), "{lost} came back without its data");
        Ok(())
    })
    .await
}
