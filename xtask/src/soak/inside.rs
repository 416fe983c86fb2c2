//! One round, inside the local Kubernetes: its verdict is the only line on stdout, everything else is the log.

use std::time::Duration;

use ::tests::scenario::{Place, Sandbox};
use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;

use super::own;
use super::points::Points;
use super::round::{Kill, Round, Storage};
use super::stage::{PATIENCE, Stage};
use super::tally::Verdict;

/// The longest for one round. Everything in it has limits of its own; these end it with a better word.
pub(super) const LIMIT: Duration = Duration::from_mins(12);
/// After the cluster is whole, somebody who is killed late is waited for so long.
const LATE: Duration = Duration::from_secs(20);

/// Plays it in a namespace whose name begins so, and returns the exit code. What it started ends with it,
/// whatever comes of it.
pub(super) async fn run(round: &Round, namespace: &str) -> i32 {
    let playing = tokio::time::timeout(LIMIT, Box::pin(play(round, namespace)));
    let outcome = tokio::select! {
        outcome = playing => outcome.with_context(|| format!("it took longer than {LIMIT:?}")).flatten(),
        () = is_called_off() => Err(anyhow::anyhow!("called off")),
    };
    let (verdict, code) = match outcome {
        Ok(verdict) => (verdict, 0),
        Err(error) => (Verdict::Failed(format!("{error:#}")), 1),
    };
    println!("{}", serde_json::to_string(&verdict).unwrap_or_default());
    code
}

/// By whoever started this, whose end closes our input, or by a person.
async fn is_called_off() {
    let mut rest = Vec::new();
    let mut input = tokio::io::stdin();
    tokio::select! {
        _ = input.read_to_end(&mut rest) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn play(round: &Round, namespace: &str) -> Result<Verdict> {
    let points = Points::listen().await?;
    let mut verdict = Verdict::NotReached;
    let on_stage = async |sandbox: &Sandbox| {
        sandbox.say(&format!("{round} in {}", sandbox.namespace()));
        own::deploy(sandbox, &points).await?;
        let place = match round.storage {
            Storage::Volume => Place::Volume,
            Storage::Bucket => Place::bucket(sandbox).await?,
        };
        let stage = Stage { sandbox, place: &place, points: &points, kill: &round.kill };
        verdict = Box::pin(act(round, &stage)).await?;
        Ok(())
    };
    Box::pin(Sandbox::run_apart(namespace, on_stage)).await?;
    Ok(verdict)
}

/// The course; then, if somebody was killed, it must all be whole with them back.
async fn act(round: &Round, stage: &Stage<'_>) -> Result<Verdict> {
    let (cluster, size) = (round.course.play)(stage).await?;
    if round.kill == Kill::Nobody {
        return Ok(Verdict::Passed);
    }
    if stage.points.hit_within(LATE).await.is_none() {
        stage.sandbox.say(&format!("nobody came to it, but to {}", stage.points.passed()));
        return Ok(Verdict::NotReached);
    }
    if stage.kills_the_operator() {
        own::works(stage.sandbox).await.context("the operator did not come back")?;
        is_back(stage).await?;
    }
    cluster.whole_within(size, PATIENCE).await?;
    Ok(Verdict::Passed)
}

/// That it was killed is seen, so that no round passes without it.
async fn is_back(stage: &Stage<'_>) -> Result<()> {
    let said = ["get", "pods", "-l", "app.kubernetes.io/name=etcd-operator", "-o", RESTARTS];
    let restarts = stage.sandbox.kubectl(&said, "").await?;
    if restarts.trim() == "0" {
        bail!("the operator was told to die, and lives");
    }
    Ok(())
}

const RESTARTS: &str = "jsonpath={.items[0].status.containerStatuses[0].restartCount}";
