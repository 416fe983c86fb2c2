//! How the program ends: exit code, a line on standard error, the kubelet's termination message.

use std::{fs, io::Write, path::Path, process::ExitCode};

use api::restore::RestoreReport;
use serde::Serialize;

use crate::{guard::Verdict, restore::Outcome};

/// The guard's termination message. The operator reads `reason` and shows `message`.
#[derive(Debug, Serialize)]
struct Message<'a> {
    reason: &'a str,
    message: &'a str,
}

/// Says how the guard decided and gives the exit code that its `--help` lists.
pub(crate) fn conclude(outcome: anyhow::Result<Verdict>, log: &Path) -> ExitCode {
    match outcome {
        Ok(Verdict::Start(why)) => {
            eprintln!("etcd may start: {why}");
            ExitCode::SUCCESS
        }
        Ok(Verdict::DataLost(message)) => {
            leave_message(log, "DataLost", &message);
            ExitCode::from(3)
        }
        Ok(Verdict::Ended(signal)) => {
            eprintln!("ended by a signal before etcd could start");
            ExitCode::from(128 + signal)
        }
        Err(error) => {
            leave_message(log, "Undecided", &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says how a restore ended and gives the exit code that its `--help` lists.
pub(crate) fn report(outcome: &Outcome, log: &Path, json: bool) -> ExitCode {
    let RestoreReport { reason, message, .. } = &outcome.report;
    eprintln!("{reason}: {message}");
    let Some(line) = line(&outcome.report) else { return ExitCode::from(outcome.exit) };
    // Who restores by hand has no kubelet, and gets no file in /dev.
    if log.exists() {
        write(log, &line);
    }
    if json && let Err(error) = std::io::stdout().write_all(line.as_bytes()) {
        eprintln!("the report could not be printed: {error}");
    }
    ExitCode::from(outcome.exit)
}

/// Says what failed, where nobody reads a termination message.
pub(crate) fn simple(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn leave_message(log: &Path, reason: &str, message: &str) {
    eprintln!("{reason}: {message}");
    if let Some(line) = line(&Message { reason, message }) {
        write(log, &line);
    }
}

fn line(message: &impl Serialize) -> Option<String> {
    match serde_json::to_string(message) {
        Ok(line) => Some(line + "\n"),
        Err(error) => {
            eprintln!("the termination message could not be made: {error}");
            None
        }
    }
}

/// The exit code says the most; a message that cannot be written must not change it.
fn write(log: &Path, line: &str) {
    if let Err(error) = fs::write(log, line) {
        eprintln!("the termination message could not be written to {}: {error}", log.display());
    }
}
