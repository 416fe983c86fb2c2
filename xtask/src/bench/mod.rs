//! `cargo xtask bench`: figures beside their goals. Nothing is asserted: a slow machine is not a failure.
//!
//! Timings are taken inside the local Kubernetes, beside a baseline that was taken in the same run.

mod backup;
mod baseline;
mod figure;
mod inside;
mod lifecycle;
mod operator;
mod rest;
mod restore;

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use ::tests::localkube::{self, LocalKube, layout::MOST_NODES};
use ::tests::progress::Progress;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use tokio::process::Command;

/// Ten runs take under half an hour.
const LIMIT: Duration = Duration::from_hours(1);

/// What is measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// How fast clusters come up and heal, and what the operator costs
    Operator(Options),
    /// What a backup costs, beside its stages and beside etcdctl, gzip and an upload
    Backup(backup::Options),
    /// What a restore costs, beside `etcdutl snapshot restore` alone, and how long a cluster is away
    Restore(restore::Options),
}

/// How it is measured and printed.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each timing is taken; the median counts. 0: only what the operator costs at rest
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(0..=20))]
    runs: u8,
    /// Print JSON and not a table
    #[arg(long)]
    json: bool,
    /// The part that runs inside the local Kubernetes
    #[arg(long, hide = true)]
    inside: bool,
}

impl Bench {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        say_panics();
        let options = match self {
            Self::Backup(options) => {
                return Box::pin(backup::run(&options)).await.map(|()| ExitCode::SUCCESS);
            }
            Self::Restore(options) => {
                return Box::pin(restore::run(&options)).await.map(|()| ExitCode::SUCCESS);
            }
            Self::Operator(options) => options,
        };
        if options.inside {
            let inside = inside::run(options.runs, options.json);
            return Box::pin(inside).await.map(|()| ExitCode::SUCCESS);
        }
        let mut args = vec!["operator".to_owned(), "--inside".to_owned()];
        args.extend(["--runs".to_owned(), options.runs.to_string()]);
        args.extend(options.json.then(|| "--json".to_owned()));
        on_the_local_kubernetes(args, &Progress::new()).await.map(|()| ExitCode::SUCCESS)
    }
}

/// The testbed's servers panic where a test would fail. Here that is a sentence, and the end.
fn say_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("a server did not start");
        eprintln!("the benchmark cannot go on: {what}");
    }));
}

/// Runs this program's `bench` with these arguments inside the local Kubernetes, which is brought up for it
/// if it is not, and then taken down again.
async fn on_the_local_kubernetes(args: Vec<String>, progress: &Progress) -> Result<()> {
    let was_up = LocalKube::attach().ok();
    let measured = run_inside(args, was_up.as_ref(), progress).await;
    if was_up.is_none() {
        localkube::down(progress).await?;
    }
    measured
}

async fn run_inside(
    args: Vec<String>,
    was_up: Option<&LocalKube>,
    progress: &Progress,
) -> Result<()> {
    crate::images::run().await?;
    let nodes = was_up.map_or(usize::from(MOST_NODES), |kube| kube.nodes().len());
    localkube::up(u8::try_from(nodes).unwrap_or(MOST_NODES), progress).await?;
    let program = std::env::current_exe().context("finding this program")?;
    let args = std::iter::once("bench".to_owned()).chain(args).collect::<Vec<String>>();
    let mut inside = Command::from(LocalKube::attach()?.inside(program, args));
    let mut child = inside.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
    let ended = tokio::time::timeout(LIMIT, child.wait()).await;
    if ended.with_context(|| format!("the benchmark did not end within {LIMIT:?}"))??.success() {
        return Ok(());
    }
    bail!("the benchmark inside the local Kubernetes failed; the sentence above says why")
}
