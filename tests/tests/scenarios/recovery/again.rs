//! What is lost again while a recovery is between its steps.

use anyhow::{Context, Result, ensure};
use api::v1beta1::ClusterStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;
use tests::scenario::{Look, PATIENCE, Place, Sandbox, TestCluster, member_numbers, until};

use crate::kept::{filled_in, in_a_bucket, keys, kill_all, on_a_volume, same_keys};

/// Three of five are gone; then the first member of the recovery before it serves; then, once it serves
/// and others join, everybody.
#[tokio::test]
async fn a_minority_of_five_is_saved_and_losses_during_the_recovery_change_nothing() -> Result<()> {
    on_a_volume("again", again).await
}

/// The same with a bucket.
#[tokio::test]
async fn a_minority_of_five_is_saved_into_the_bucket_and_later_losses_change_nothing() -> Result<()>
{
    in_a_bucket("again-s3", again).await
}

async fn again(sandbox: &Sandbox, place: &Place) -> Result<()> {
    let cluster = filled_in(sandbox, "kv", 5, place).await?;
    let before = keys(&cluster).await?;
    let whole = cluster.whole(5).await?;
    let stay = [whole.leader()?.name_any(), whole.follower()?.name_any()];
    let lost = whole.pods.iter().filter(|pod| !stay.contains(&pod.name_any())).cloned();
    kill_all(&cluster, &lost.collect::<Vec<_>>()).await?;
    sandbox.say(&format!("only {stay:?} are left"));
    let first = first_of_the_recovery(&cluster).await?;
    // What is wanted meanwhile is another size: fewer have to join.
    cluster.change(json!({"size": 3})).await?;
    cluster.kill(&first).await?;
    sandbox.say(&format!("{} is gone before it served", first.name_any()));

    let over = |status: &ClusterStatus, number: i32| {
        status.recoveries == number && status.restore.is_none() && status.last_restore.is_some()
    };
    let once = cluster.until("restored", PATIENCE, |status| over(status, 1)).await?;
    let pods = until("others join", PATIENCE, async || {
        let pods = cluster.pods().await?;
        let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
        ensure!(!names.contains(&first.name_any()), "the dead one is there: {names:?}");
        Ok(if pods.len() > 1 { Look::Is(pods) } else { Look::NotYet(format!("{names:?}")) })
    })
    .await?;
    kill_all(&cluster, &pods).await?;
    sandbox.say("all are gone while others join");
    cluster.until("restored again", PATIENCE, |status| over(status, 2)).await?;
    let status = cluster.whole(3).await?.status;
    same_keys(&cluster, &before).await?;
    let first = once.last_restore.context("no restore")?;
    let second = status.last_restore.context("no second restore")?;
    sandbox.say(second.message.as_deref().unwrap_or_default());
    ensure!(second.revision > first.revision, "revisions were used twice: {first:?}, {second:?}");
    Ok(())
}

/// The pod that is made from the backup, as soon as it is there.
async fn first_of_the_recovery(cluster: &TestCluster) -> Result<Pod> {
    until("a first member from the backup", PATIENCE, async || {
        let restore = cluster.status().await?.restore.context("nothing is restored")?;
        let numbers = |pod: &Pod| member_numbers([&pod.name_any()]).into_iter().next();
        let is_new = |pod: &Pod| {
            numbers(pod).is_some_and(|number| i64::from(number) >= i64::from(restore.first_member))
        };
        let new = cluster.pods().await?.into_iter().find(is_new);
        Ok(new.map_or_else(|| Look::NotYet("none".into()), Look::Is))
    })
    .await
}
