//! `cargo xtask soak`: every way to lose a cluster, in every place for backups, with somebody killed at every
//! step of getting it back.
//!
//! ```text
//! outside                           inside the local Kubernetes, one process for each round
//! images, table of rounds ─ starts ─> namespace ── operator of its own ── cluster ── loss
//!      │                                 programs ask at their fault points ──┐    │
//!      │                                 "go", and once "die"  <──────────────┘  recovery
//! summary, logs  <──── its verdict ───── every key compared <──────────────────────┘
//! ```
//!
//! Rounds have nothing in common but the machine, so several run side by side. Each is bounded, and each is
//! repeated by its name.

mod course;
mod inside;
mod outside;
mod own;
mod play;
mod points;
mod round;
mod stage;
mod tally;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use ::tests::progress::Progress;
use anyhow::{Result, ensure};

use round::Round;

/// Every way to lose a cluster, with somebody killed at every step of getting it back
///
/// A round is named COURSE/STORAGE/KILL: what happens (all-lost, one-left, two-left, damaged, by-name,
/// other-name), where the backups are (pv, s3), and who is killed once in the middle of it: operator:POINT,
/// sidecar:POINT, restore-init:POINT, node, or nobody. In each, a cluster of its own is filled, written to and
/// backed up; then it is lost or deleted, the kill comes while it is brought back, and every key is compared
/// with all that etcd says of it. `--list` shows all rounds.
///
/// The programs are built with fault points, into images of their own; the operator that others use on this
/// Kubernetes is not touched. Only rounds with `node` disturb others: they take n3 away for a while.
///
/// All of it takes hours. Rounds come in an order that the seed gives, so a part of them is a sample of all.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask soak --list                                  what there is
  cargo xtask soak --minutes 30                            a sample
  cargo xtask soak --only all-lost/s3/operator             all points of the operator in one course
  cargo xtask soak --only one-left/pv/sidecar:after-data   exactly one round

Exit code: 0 when every round passed. A round that never came to the point at which somebody was to be \
killed counts as not reached; it is listed, and is no failure.")]
pub(crate) struct Options {
    /// Only rounds with this in their name; may be given several times
    #[arg(long, value_name = "PATTERN")]
    only: Vec<String>,
    /// At most so many rounds
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Begin no round after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
    /// The order in which rounds are taken
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
    /// How many rounds run side by side
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    parallel: u8,
    /// Use the images that the last soak made, also if the programs were changed since
    #[arg(long)]
    keep_images: bool,
    /// Print the results as JSON and not as a table
    #[arg(long)]
    json: bool,
    /// Print the names of the rounds and do nothing
    #[arg(long)]
    list: bool,
    /// The part that plays one round inside the local Kubernetes
    #[arg(long, hide = true, value_name = "NAMESPACE")]
    inside: Option<String>,
}

/// Runs the rounds that are asked for; the exit code is not zero when one failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let mut rounds = chosen(&options)?;
    if let (Some(namespace), Some(round)) = (&options.inside, rounds.first()) {
        let code = Box::pin(inside::run(round, namespace)).await;
        // At once: a thread still waits for the end of our input.
        std::process::exit(code);
    }
    if options.list {
        rounds.sort_by_key(Round::to_string);
        list(&rounds);
        return Ok(ExitCode::SUCCESS);
    }
    let time = options.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
    let side_by_side = usize::from(options.parallel);
    let progress = Progress::new();
    let kube = outside::prepare(options.keep_images, &progress).await?;
    let tally = Box::pin(outside::run(&kube, &rounds, side_by_side, time, &progress)).await?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&tally)?);
    } else {
        print!("{tally}");
    }
    Ok(if tally.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Those that are asked for, in the seed's order.
fn chosen(options: &Options) -> Result<Vec<Round>> {
    let mut rounds = round::all();
    let names: BTreeSet<String> = rounds.iter().map(Round::to_string).collect();
    // Some names begin with another one's: a whole name means just that round.
    let fits = |name: &str, part: &String| {
        if names.contains(part) { name == part } else { name.contains(part.as_str()) }
    };
    let is_meant = |round: &Round| {
        let name = round.to_string();
        options.only.is_empty() || options.only.iter().any(|part| fits(&name, part))
    };
    rounds.retain(is_meant);
    ensure!(
        !rounds.is_empty(),
        "no round has that in its name; `cargo xtask soak --list` shows all"
    );
    fastrand::Rng::with_seed(options.seed).shuffle(&mut rounds);
    rounds.truncate(options.rounds.unwrap_or(usize::MAX));
    Ok(rounds)
}

fn list(rounds: &[Round]) {
    for course in &course::COURSES {
        println!("# {}: {}", course.name, course.what);
        for round in rounds.iter().filter(|round| round.course.name == course.name) {
            println!("{round}");
        }
    }
    println!("# {} rounds", rounds.len());
}
