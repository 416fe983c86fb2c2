//! Two replicas of the operator: one works, and the other takes over.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::json;
use tests::command::command;
use tests::localkube::ProcessFault;
use tests::scenario::{Look, PATIENCE, Sandbox, TestCluster, holds_for, operator, until};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

#[tokio::test]
async fn when_the_replica_that_works_hangs_the_other_takes_over() -> Result<()> {
    Sandbox::run("hung", async |sandbox| {
        let cluster = sandbox.cluster("hung", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        let leader = operator::leader(&sandbox.client).await?;
        operator::fault(&sandbox.kube, &leader, ProcessFault::Stop).await?;
        sandbox.say("the leader hangs");
        let taken = takes_over(sandbox, &cluster, &whole.pods[2], &leader).await;
        // Its pod may have been restarted by liveness, and then there is nothing to continue.
        let woken = operator::fault(&sandbox.kube, &leader, ProcessFault::Continue).await;
        taken?;
        if woken.is_ok() {
            sandbox.say("the old leader is awake");
            steps_down(sandbox, &leader).await?;
        }
        cluster.whole(3).await.map(drop)
    })
    .await
}

async fn takes_over(
    sandbox: &Sandbox,
    cluster: &TestCluster,
    victim: &Pod,
    old: &Pod,
) -> Result<()> {
    cluster.kill(victim).await?;
    until("another holder of the Lease", PATIENCE, async || {
        let holder = operator::holder(&sandbox.client).await?;
        let is_other = !holder.is_empty() && holder != old.name_any();
        Ok(Look::claim(is_other, || format!("{holder:?}")))
    })
    .await?;
    sandbox.say("the other replica leads");
    let healed = cluster.whole(3).await?;
    ensure!(!healed.names().contains(&victim.name_any()), "the member was not replaced");
    Ok(())
}

/// It ends as soon as it sees that the Lease is another's, and stands for election anew.
async fn steps_down(sandbox: &Sandbox, old: &Pod) -> Result<()> {
    until("the old leader starts anew", PATIENCE, async || {
        let pods = operator::pods(&sandbox.client).await?;
        let now = pods.iter().find(|pod| pod.uid() == old.uid());
        let Some(now) = now else { return Ok(Look::Is(())) };
        Ok(Look::claim(restarts(now) > restarts(old), || "it runs on".into()))
    })
    .await
}

fn restarts(pod: &Pod) -> i32 {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter());
    containers.flatten().map(|container| container.restart_count).sum()
}

#[tokio::test]
async fn a_lease_that_somebody_deletes_is_made_anew_and_its_holder_steps_down() -> Result<()> {
    Sandbox::run("deleted", async |sandbox| {
        let cluster = sandbox.cluster("deleted", json!({"size": 1})).await?;
        cluster.whole(1).await?;
        let old = operator::leader(&sandbox.client).await?;
        let before = operator::lease_uid(&sandbox.client).await?;
        sandbox
            .kube
            .kubectl()
            .run(&["-n", operator::NAMESPACE, "delete", "lease", operator::NAME])
            .await?;
        // From the moment on at which somebody holds the new one, what the old holder does at its end
        // must not take it away again.
        let next = until("a holder of a new Lease", PATIENCE, async || {
            let is_new = operator::lease_uid(&sandbox.client).await? != before;
            let holder = operator::holder(&sandbox.client).await?;
            let is_held = is_new && !holder.is_empty();
            Ok(if is_held { Look::Is(holder) } else { Look::NotYet(holder) })
        })
        .await?;
        ensure!(next != old.name_any(), "the old holder did not step down");
        holds_for("the new holder's term", Duration::from_secs(20), async || {
            let holder = operator::holder(&sandbox.client).await?;
            ensure!(holder == next, "the holder is {holder:?} and not {next}");
            Ok(())
        })
        .await?;
        steps_down(sandbox, &old).await?;
        cluster.change(json!({"size": 2})).await?;
        cluster.whole(2).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn sigterm_ends_it_within_five_seconds_and_releases_the_lease() -> Result<()> {
    Sandbox::run("sigterm", async |sandbox| {
        let leader = operator::leader(&sandbox.client).await?.name_any();
        let mut log = command("kubectl");
        log.args(["-n", operator::NAMESPACE, "logs", "-f", "--tail=1", &leader]);
        let mut log = log.stdout(std::process::Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(log.stdout.take().context("kubectl has no output")?).lines();
        // From here on nothing of the log is missed.
        let first = tokio::time::timeout(Duration::from_mins(1), lines.next_line()).await;
        first.context("the operator has logged nothing")??;
        let stopping = ["-n", operator::NAMESPACE, "delete", "pod", &leader, "--wait=false"];
        sandbox.kube.kubectl().run(&stopping).await?;
        let ended = tokio::time::timeout(Duration::from_mins(1), end_of(lines)).await;
        let (took, said) = ended.context("the log did not end")??;
        ensure!(said.contains("released the lease"), "it said {said}");
        ensure!(took < Duration::from_secs(5), "it took {took:?}: {said}");
        let after = operator::leader(&sandbox.client).await?.name_any();
        ensure!(after != leader, "the deleted replica leads");
        Ok(())
    })
    .await
}

/// From the line that says that it stops to the end of the log, and what stood between.
async fn end_of(mut lines: Lines<BufReader<ChildStdout>>) -> Result<(Duration, String)> {
    let mut said = String::new();
    let mut stopping = None;
    while let Some(line) = lines.next_line().await? {
        if line.contains("\"stopping\"") {
            stopping = Some(Instant::now());
        }
        said = format!("{said}\n{line}");
    }
    let Some(stopping) = stopping else { bail!("it did not say that it stops: {said}") };
    Ok((stopping.elapsed(), said))
}
