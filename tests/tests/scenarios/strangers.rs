//! Members in etcd's list that never started: whoever left them there, they do not stay in the way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, holds_for, operator, until};

#[tokio::test]
async fn a_phantom_with_a_name_of_ours_is_removed() -> Result<()> {
    Sandbox::run("phantom", async |sandbox| {
        let cluster = sandbox.cluster("haunt", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        // As an operator leaves it that died after MemberAdd and whose pod was deleted then.
        let url = &before.list.members[0].peer_urls[0];
        let name = &before.list.members[0].name;
        let phantom = add_learner(&cluster, &url.replace(name, "haunt-0007")).await?;

        let after = cluster.whole(3).await?;
        ensure!(after.list.members == before.list.members, "others changed than the phantom");
        ensure!(!after.list.members.iter().any(|member| member.id == phantom.id), "it stayed");

        // Its number is used up, and the cluster can grow.
        cluster.change(json!({"size": 4})).await?;
        cluster.whole(4).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_member_that_was_added_while_its_pod_waits_is_finished() -> Result<()> {
    Sandbox::run("unfinished", async |sandbox| {
        let made = operator::without_after(
            &sandbox.client,
            async || {
                // 3.5 takes one learner at a time: the third pod waits until the second has its vote.
                let spec = json!({"size": 3, "version": "3.5.35"});
                let cluster = sandbox.cluster("half", spec).await?;
                until("a pod that waits to join", PATIENCE, async || {
                    let pods = cluster.pods().await?.len();
                    Ok(Look::claim(pods == 3, || format!("{pods} pods")))
                })
                .await?;
                Ok(cluster)
            },
            async |cluster| {
                sandbox.say("the operator is gone");
                let added = learner(&cluster).await?;
                Ok((cluster, added))
            },
        );
        let (cluster, added) = made.await?;
        let after = cluster.whole(3).await?;
        ensure!(after.list.members.iter().any(|one| one.id == added.id), "it was made anew");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_member_that_somebody_else_added_is_named_and_left_alone() -> Result<()> {
    Sandbox::run("guest", async |sandbox| {
        let cluster = sandbox.cluster("guest", json!({"size": 3})).await?;
        let before = cluster.whole(3).await?;
        let guest = add_learner(&cluster, "http://192.0.2.7:2380").await?;

        let words = format!("etcdctl member remove {}", guest.id);
        cluster
            .until("the way to remove it", PATIENCE, |status| {
                status.message.as_ref().is_some_and(|message| message.contains(&words))
            })
            .await?;
        let pods: Vec<_> = before.pods.iter().map(ResourceExt::uid).collect();
        holds_for("the guest and the members", Duration::from_secs(5), async || {
            let list = cluster.members().await?;
            ensure!(list.members.len() == 4, "etcd lists {:?}", list.members);
            let now: Vec<_> = cluster.pods().await?.iter().map(ResourceExt::uid).collect();
            ensure!(now == pods, "the pods changed");
            Ok(())
        })
        .await?;

        until("the guest's removal", PATIENCE, async || {
            Ok(Look::Is(cluster.client().await?.remove(guest.id).await?))
        })
        .await?;
        cluster.whole(3).await.map(drop)
    })
    .await
}

/// A learner as an operator leaves it that died right after `MemberAdd`: the one that it has
/// added, or else the first of the pods that wait.
async fn learner(cluster: &TestCluster) -> Result<etcd::Member> {
    let members = cluster.members().await?.members;
    if let Some(learner) = members.iter().find(|member| member.is_learner) {
        return Ok(learner.clone());
    }
    let urls: Vec<&String> = members.iter().flat_map(|member| &member.peer_urls).collect();
    let is_listed = |name: &String| urls.iter().any(|url| url.contains(name));
    let pods = cluster.pods().await?;
    let waiting = pods.iter().map(ResourceExt::name_any).find(|name| !is_listed(name));
    let waiting = waiting.context("no pod waits to join: the operator was too quick")?;
    let first = members.first().context("etcd lists no member")?;
    let url = urls.first().context("a member has no peer URL")?;
    let url = url.replace(&first.name, &waiting);
    add_learner(cluster, &url).await
}

/// etcd takes a change only once all voters have been connected for five seconds.
async fn add_learner(cluster: &TestCluster, peer_url: &str) -> Result<etcd::Member> {
    until("a learner added by hand", PATIENCE, async || {
        Ok(Look::Is(cluster.client().await?.add_learner(peer_url).await?))
    })
    .await
}
