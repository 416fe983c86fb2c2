//! `etcd-restore-init`: runs before etcd in a member's pod.
//!
//! `guard` decides whether etcd may start; it is the first thing in the pod that sees the data
//! directory and never changes one that holds a log. `run` makes a data directory of a backup, and
//! never touches one that it did not make. Neither needs anything but this binary: the image that the
//! guard runs in is empty, and that of etcd has no shell.

mod accompany;
mod args;
mod config;
mod guard;
mod install;
mod restore;
mod termination;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{self, Runtime};

use crate::{
    args::{Args, Command, GuardArgs},
    config::Config,
    restore::args::RunArgs,
};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Guard(args) => guard(args),
        Command::Run(args) => restore(*args),
        Command::Install(args) => termination::simple(install::run(&args)),
        Command::Accompany(args) => termination::simple(accompany::run(&args)),
    }
}

fn guard(args: GuardArgs) -> ExitCode {
    let termination_log = args.termination_log.clone();
    let installed = args.install_to.as_deref().map_or(Ok(()), install::into);
    let outcome = installed.and_then(|()| Config::try_from(args)).and_then(|config| {
        let runtime = runtime()?;
        let verdict = runtime.block_on(guard::run(config));
        // A name that is still being looked up must not delay the end.
        runtime.shutdown_background();
        verdict
    });
    termination::conclude(outcome, &termination_log)
}

fn restore(args: RunArgs) -> ExitCode {
    let (termination_log, json) = (args.termination_log.clone(), args.json);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return termination::simple(Err(error.into())),
    };
    let outcome = runtime.block_on(restore::run(args));
    // What still decodes or waits for a server must not delay the end.
    runtime.shutdown_background();
    termination::report(&outcome, &termination_log, json)
}

fn runtime() -> std::io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}
