//! Many recoveries at once: none waits for another.

use anyhow::{Result, ensure};
use api::v1beta1::{ClusterStatus, Phase};
use etcd::KeyValue;
use serde_json::json;
use tests::scenario::{PATIENCE, Place, Sandbox, TestCluster};

use super::{approve, recovered, wants_approval};
use crate::kept::{backup_of, filled_in, keys, kill_all, same_keys};

/// One by itself, one that a person lets go on, and one whose store does not answer.
#[tokio::test]
async fn while_one_store_does_not_answer_the_others_that_lost_everything_are_back() -> Result<()> {
    Sandbox::run("many", async |sandbox| {
        let (place, mut dead) = (Place::bucket(sandbox).await?, Place::bucket(sandbox).await?);
        let (plain, asking, silent) = tokio::try_join!(
            Box::pin(stored(sandbox, "plain", &place)),
            Box::pin(stored(sandbox, "asking", &place)),
            Box::pin(stored(sandbox, "silent", &dead)),
        )?;
        asking.0.change(json!({"recovery": {"quorumLoss": "Manual"}})).await?;
        let Place::Bucket(bucket) = &mut dead else { return Ok(()) };
        bucket.server().signal("STOP");
        sandbox.say("one store hangs, and all three lose everything");
        for (cluster, _) in [&plain, &asking, &silent] {
            kill_all(cluster, &cluster.pods().await?).await?;
        }
        is_back(sandbox, &plain).await?;
        let value = wants_approval(sandbox, &asking.0).await?;
        approve(sandbox, &asking.0, &value).await?;
        is_back(sandbox, &asking).await?;

        let waits = |status: &ClusterStatus| {
            let message = status.message.as_deref().unwrap_or_default();
            status.phase == Some(Phase::QuorumLost) && message.contains("backup sidecar answers")
        };
        let waiting = silent.0.until("it says what it waits for", PATIENCE, waits).await?;
        sandbox.say(waiting.message.as_deref().unwrap_or_default());
        ensure!(waiting.last_restore.is_none(), "its store hangs, yet it is back: {waiting:?}");
        bucket.server().signal("CONT");
        sandbox.say("the store goes on");
        is_back(sandbox, &silent).await
    })
    .await
}

/// A cluster of one whose keys are stored, and those.
async fn stored(
    sandbox: &Sandbox,
    name: &str,
    place: &Place,
) -> Result<(TestCluster, Vec<KeyValue>)> {
    let cluster = filled_in(sandbox, name, 1, place).await?;
    backup_of(sandbox, name, &format!("{name}-last"), &json!({})).await?;
    let before = keys(&cluster).await?;
    Ok((cluster, before))
}

async fn is_back(
    sandbox: &Sandbox,
    (cluster, before): &(TestCluster, Vec<KeyValue>),
) -> Result<()> {
    recovered(sandbox, cluster, 1).await?;
    same_keys(cluster, before).await
}
