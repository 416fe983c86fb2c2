//! Losses that are rarer: all that is left has no vote, or nobody backed the cluster up at the time.

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Value, json};
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, until};

use super::recovered;
use crate::kept::{
    backup_now, deleted, fill, filled_in, in_a_bucket, keys, kill_all, on_a_volume, same_keys,
};

/// The only voter goes before a learner that has everything got its vote. What was written last is in
/// no backup.
#[tokio::test]
async fn a_learner_that_is_all_that_is_left_is_saved_and_every_key_is_back() -> Result<()> {
    on_a_volume("learner", async |sandbox, place| {
        let cluster = filled_in(sandbox, "kv", 1, place).await?;
        backup_now(sandbox, "first").await?;
        cluster.client().await?.put(b"fill/after-the-backup", b"1").await?;
        let before = keys(&cluster).await?;
        let learner = held_learner(sandbox, &cluster).await?;
        sandbox.say(&format!("{} has everything and no vote", learner.name_any()));
        let voter = cluster.pod("kv-0000").await?;
        cluster.kill(&voter).await?;
        cluster.change(json!({"paused": false})).await?;
        recovered(sandbox, &cluster, 2).await?;
        same_keys(&cluster, &before).await
    })
    .await
}

/// A learner that has all data and is not promoted: the cluster is paused as soon as its pod is there,
/// and a person does the rest of the join.
async fn held_learner(sandbox: &Sandbox, cluster: &TestCluster) -> Result<Pod> {
    cluster.change(json!({"size": 2})).await?;
    until("the pod of a second member", PATIENCE, async || {
        Ok(Look::claim(cluster.pods().await?.len() == 2, || "one".into()))
    })
    .await?;
    cluster.change(json!({"paused": true})).await?;
    cluster.phase(Phase::Paused).await?;
    let host = format!("http://kv-0001.kv.{}.svc:2380", sandbox.namespace());
    let url = format!("--peer-urls={host}");
    let add = ["exec", "kv-0000", "-c", "etcd", "--", "etcdctl", "member", "add", "kv-0001"];
    // Refused when the operator came this far before it saw the pause.
    let added = sandbox.kubectl(&[&add[..], &["--learner", &url]].concat(), "").await;
    sandbox.say(&added.map_or_else(|error| format!("{error:#}"), |_| "added by hand".into()));
    until("a learner with all data", PATIENCE, async || {
        let learner = cluster.pod("kv-0001").await?;
        let status = Box::pin(cluster.connect(&learner).await?.status()).await?;
        ensure!(status.is_learner, "it was given a vote before the pause");
        let voter = Box::pin(cluster.client().await?.status()).await?;
        let (has, wants) = (status.revision, voter.revision);
        let seen = || Look::NotYet(format!("revision {has} of {wants}"));
        Ok(if has == wants { Look::Is(learner) } else { seen() })
    })
    .await
}

/// The policy was taken away before the loss: once it is there again, so is the data. Where there never
/// was one, and the backups are those of an earlier cluster of the name, nothing is made of those.
#[tokio::test]
async fn a_policy_that_is_set_after_the_loss_brings_back_what_it_finds_and_nothing_else()
-> Result<()> {
    in_a_bucket("late-policy", async |sandbox, place| {
        let (kv, earlier) = tokio::try_join!(
            Box::pin(filled_in(sandbox, "kv", 1, place)),
            Box::pin(filled_in(sandbox, "bare", 1, place)),
        )?;
        backup_now(sandbox, "last").await?;
        let before = keys(&kv).await?;
        deleted(sandbox, &earlier).await?;
        let stored = place.archive(sandbox, &earlier).await?;
        ensure!(stored.iter().any(|file| file.contains("/manifest-")), "nothing: {stored:?}");
        let bare = sandbox.cluster("bare", json!({"size": 1})).await?;
        bare.whole(1).await?;
        fill(sandbox, &bare).await?;
        kv.change(json!({"backup": null})).await?;
        let is_without = |status: &ClusterStatus| status.backup_service_status.is_none();
        kv.until("no backups any more", PATIENCE, is_without).await?;

        for cluster in [&kv, &bare] {
            kill_all(cluster, &cluster.pods().await?).await?;
            let told = unrecoverable(cluster, "and there is no backup policy").await?;
            sandbox.say(&told);
            ensure!(told.contains("set spec.backup"), "{told}");
        }
        let policy = place.policy(&json!({}));
        set(&bare, &policy).await?;
        set(&kv, &policy).await?;
        recovered(sandbox, &kv, 1).await?;
        same_keys(&kv, &before).await?;
        let told = unrecoverable(&bare, "and there is no backup;").await?;
        sandbox.say(&told);
        ensure!(told.contains("put a backup into the archive"), "{told}");
        ensure!(bare.pods().await?.is_empty(), "something was started");
        let now = place.archive(sandbox, &earlier).await?;
        ensure!(now == stored, "the earlier cluster's backups were {stored:?}, are {now:?}");
        Ok(())
    })
    .await
}

async fn set(cluster: &TestCluster, policy: &Value) -> Result<()> {
    cluster.change(json!({"backup": policy})).await
}

/// The message of a cluster that has nothing to come back from.
async fn unrecoverable(cluster: &TestCluster, words: &str) -> Result<String> {
    let is_so = |status: &ClusterStatus| {
        let message = status.message.as_deref().unwrap_or_default();
        status.phase == Some(Phase::Unrecoverable) && message.contains(words)
    };
    let status = cluster.until(words, PATIENCE, is_so).await?;
    status.message.context("no message")
}
