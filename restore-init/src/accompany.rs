//! A child process that never outlives us.
//!
//! The kernel can be asked to kill a process when its parent dies, but only by that process itself and
//! after the fork. So this program is started in between: it asks for that and then becomes the other
//! program. (In a container the kernel kills all when we, process 1, die; by hand it would not.)

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, bail};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

#[derive(Debug, clap::Args)]
pub(crate) struct AccompanyArgs {
    /// The process to die with
    #[arg(long)]
    parent: i32,

    /// The other program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// The command that runs `program` so that it ends with us, whatever we end of.
pub(crate) fn command(program: &std::path::Path) -> std::io::Result<tokio::process::Command> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.args(["accompany", "--parent", &std::process::id().to_string(), "--"]).arg(program);
    command.kill_on_drop(true);
    Ok(command)
}

/// Becomes the other program. Returns only when that fails.
pub(crate) fn run(args: &AccompanyArgs) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before we asked.
    if getppid().map(|id| id.as_raw_nonzero().get()) != Some(args.parent) {
        bail!("the program that asked for it has ended");
    }
    let (program, rest) = args.command.split_first().context("no program is named")?;
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("starting {}", program.display()))
}
