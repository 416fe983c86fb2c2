//! The first member in trouble before it ever served.

use anyhow::{Result, bail};
use serde_json::json;
use tests::scenario::{
    Look, PATIENCE, Sandbox, TestCluster, kill_etcd_at_its_first_log, member_numbers, until,
};

/// About two of three aimed kills hit.
const TRIES: u8 = 12;

#[tokio::test]
async fn a_seed_that_was_killed_in_its_first_start_is_made_anew() -> Result<()> {
    Sandbox::run("wedge", async |sandbox| {
        for attempt in 1..=TRIES {
            let cluster = sandbox.cluster(&format!("wedge-{attempt}"), json!({"size": 1})).await?;
            kill_first_start(sandbox, &cluster).await?;
            let whole = cluster.whole(1).await?;
            let numbers = member_numbers(&whole.names());
            sandbox.say(&format!("attempt {attempt}: member {numbers:?} serves"));
            if !numbers.contains(&0) {
                return Ok(());
            }
            cluster.delete().await?;
        }
        bail!("no kill in {TRIES} left a seed that cannot start; the aim is off")
    })
    .await
}

async fn kill_first_start(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    let pod = until("a seed on a node", PATIENCE, async || {
        let pods = cluster.pods().await?;
        let bound = pods.into_iter().find(|pod| tests::scenario::node_of(pod).is_ok());
        Ok(bound.map_or_else(|| Look::NotYet("none".into()), Look::Is))
    })
    .await?;
    kill_etcd_at_its_first_log(&sandbox.kube, &pod).await
}
