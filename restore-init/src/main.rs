//! `etcd-restore-init`: runs before etcd in a member's pod and decides whether etcd may start.
//!
//! It is the first thing in the pod that sees the data directory. It never changes one that holds a
//! log, and it needs nothing but its own binary: the image it runs in is empty.

mod args;
mod config;
mod guard;
mod termination;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime;

use crate::{
    args::{Args, Command},
    config::Config,
};

fn main() -> ExitCode {
    let Command::Guard(args) = Args::parse().command;
    let termination_log = args.termination_log.clone();
    let outcome = Config::try_from(args).and_then(run);
    termination::conclude(outcome, &termination_log)
}

fn run(config: Config) -> anyhow::Result<guard::Verdict> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let verdict = runtime.block_on(guard::run(config));
    // A name that is still being looked up must not delay the end.
    runtime.shutdown_background();
    verdict
}
