//! `etcd-operator`: manages the membership of etcd clusters on Kubernetes.
//!
//! The only program of this system that talks to the Kubernetes API. Every reconcile is observe,
//! validate, plan, act, report ([`controller`]); only `validate` sees the raw object, only `act`
//! and the writers of status and objects change anything, and the plan itself is pure.

mod act;
mod announce;
mod args;
mod backup;
mod build;
mod caches;
mod call;
mod clock;
mod config;
mod controller;
mod error;
mod fault_points;
mod heartbeat;
mod http;
mod lease;
mod metrics;
mod objects;
mod observe;
mod pace;
mod pki;
mod record;
mod removal;
mod report;
mod restore;
mod rival;
mod run;
mod status;
mod validate;
mod watchdog;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::Args::parse();
    match start(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("etcd-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(args: &args::Args) -> anyhow::Result<()> {
    telemetry::install_crypto_provider()?;
    telemetry::init_logging(args.log_format, &args.log_level)?;
    run::run(config::Config::check(args)?).await
}
