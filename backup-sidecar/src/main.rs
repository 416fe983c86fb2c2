//! `etcd-backup-sidecar`: the only program that writes backups.
//!
//! `serve` is the sidecar of a cluster in Kubernetes. The other commands work on any etcd and any
//! archive, with nothing of Kubernetes around.

mod args;
mod backup;
mod commands;
mod config;
mod listing;
mod metrics;
mod output;
mod patience;
mod pipeline;
mod progress;
mod serve;
mod served;
mod source;
mod told;
mod user;
mod verification;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Args, Command},
    config::Usage,
};

/// The command line cannot be used; clap's own number for it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Usage>() { USAGE.into() } else { ExitCode::FAILURE }
        }
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    telemetry::install_crypto_provider()?;
    let quiet = if matches!(args.command, Command::Serve(_)) { "info" } else { "warn" };
    let format =
        args.log_format.parse().map_err(|error| Usage(format!("--log-format: {error}")))?;
    telemetry::init_logging(format, args.log.as_deref().unwrap_or(quiet))
        .map_err(|error| Usage(format!("--log: {error}")))?;
    // One receives from etcd while the other sends to the store; the processor-bound work has its own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(Box::pin(commands::run(args.command)));
    // What blocks still, such as a look-up of a name, must not delay the end.
    runtime.shutdown_background();
    done
}

/// Nobody reads on, as after `| head`: that is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
