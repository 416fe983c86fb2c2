//! The part that runs inside the local Kubernetes: all measurements, one after the other.

use std::time::Duration;

use ::tests::progress::Progress;
use anyhow::{Context, Result, bail};
use kube::Client;

use super::figure::{Figure, Figures};
use super::lifecycle::{self, Created, Healed};
use super::{baseline, rest};
use crate::cluster::{Namespace, Operator, manifests};

/// Everything that was timed.
#[derive(Default)]
struct Timings {
    three: Vec<Created>,
    five: Vec<Created>,
    healed: Vec<Healed>,
    by_hand: Vec<f64>,
    stateful_set: Vec<f64>,
}

/// Measures and prints. An operator that was not there before is removed.
pub(super) async fn run(runs: u8, json: bool) -> Result<()> {
    let client = Client::try_default().await.context("connecting to the local Kubernetes")?;
    let progress = Progress::new();
    let operator = Operator::new(&client, None);
    let was_there = operator.is_there().await?;
    let deploying = operator.deploy_locally();
    progress.step("deploy the operator", Duration::from_secs(10), deploying).await?;
    let measured = tokio::select! {
        measured = measure(&client, &operator, runs, &progress) => measured,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for Ctrl-C").and_then(|()| bail!("ended by Ctrl-C")),
    };
    let removed = remove(&client, runs, (!was_there).then_some(&operator)).await;
    let (figures, rest) = measured?;
    if json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else if !figures.figures.is_empty() {
        println!("{figures}");
    }
    rest.and(removed)
}

/// What a measurement that failed may have left.
async fn remove(client: &Client, runs: u8, operator: Option<&Operator>) -> Result<()> {
    let of_runs = lifecycle::namespaces(runs).chain(baseline::namespaces(runs));
    for namespace in of_runs.chain([rest::NAMESPACE.to_owned()]) {
        Namespace::existing(client, &namespace).delete().await?;
    }
    match operator {
        Some(operator) => operator.delete(&manifests("operator")).await,
        None => Ok(()),
    }
}

async fn measure(
    client: &Client,
    operator: &Operator,
    runs: u8,
    progress: &Progress,
) -> Result<(Figures, Result<()>)> {
    let mut timings = Timings::default();
    for run in 1..=runs {
        progress.say(&format!("        run {run} of {runs}"));
        Box::pin(timed(client, run, &mut timings, progress)).await?;
    }
    let mut figures = if runs == 0 { Vec::new() } else { of_timings(timings) };
    // What was timed is worth printing also when this fails.
    let rest = rest::measure(client, operator, progress).await;
    let rest = rest.map(|more| figures.extend(more));
    Ok((Figures { runs, figures }, rest))
}

async fn timed(client: &Client, run: u8, timings: &mut Timings, progress: &Progress) -> Result<()> {
    let seconds = Duration::from_secs;
    let three = Box::pin(lifecycle::create_and_heal(client, run));
    let (created, healed) = progress.step("three members, kill one", seconds(35), three).await?;
    progress.say(&format!(
        "        three vote after {:.1} s; one killed: acts after {:.1} s, three vote after {:.1} s",
        created.seconds, healed.reaction, healed.seconds
    ));
    timings.three.push(created);
    timings.healed.push(healed);
    let five = lifecycle::create_five(client, run);
    let five = progress.step("five members", seconds(25), five).await?;
    progress.say(&format!("        five vote after {:.1} s", five.seconds));
    timings.five.push(five);
    let by_hand = baseline::static_pods(client, run);
    let name = "baseline: three pods by hand";
    timings.by_hand.push(progress.step(name, seconds(20), by_hand).await?);
    let name = "baseline: a StatefulSet, kill one";
    let stateful_set = baseline::stateful_set(client, run);
    timings.stateful_set.push(progress.step(name, seconds(30), stateful_set).await?);
    Ok(())
}

fn of_timings(timings: Timings) -> Vec<Figure> {
    let Timings { three, five, healed, by_hand, stateful_set } = timings;
    let took = |created: &[Created]| created.iter().map(|one| one.seconds).collect();
    let joins = three.iter().chain(&five).map(|one| f64::from(one.failed_puts)).collect();
    let of_healed = |what: fn(&Healed) -> f64| healed.iter().map(what).collect();
    vec![
        Figure::new("three members vote, from apply", "s", Some(12.0), took(&three))
            .beside("three static pods by hand", by_hand),
        Figure::new("five members vote, from apply", "s", Some(18.0), took(&five)),
        Figure::new(
            "leader of three killed: three vote",
            "s",
            Some(10.0),
            of_healed(|h| h.seconds),
        )
        .beside("a StatefulSet's pod is ready again", stateful_set),
        Figure::new("until the operator's first action", "s", Some(1.0), of_healed(|h| h.reaction)),
        Figure::new("failed puts while members join", "", Some(0.0), joins),
        Figure::new(
            "failed puts while one is replaced",
            "",
            Some(0.0),
            of_healed(|h| f64::from(h.failed_puts)),
        ),
        Figure::new("longest time without a put then", "s", None, of_healed(|h| h.longest_gap)),
    ]
}
