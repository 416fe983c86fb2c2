//! How the program ends: exit code, a line on standard error, the kubelet's termination message.

use std::{fs, path::Path, process::ExitCode};

use serde::Serialize;

use crate::guard::Verdict;

/// The termination message. The operator reads `reason` and shows `message`.
#[derive(Debug, Serialize)]
struct Message<'a> {
    reason: &'a str,
    message: &'a str,
}

/// Says how it went and gives the exit code that `--help` lists.
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

/// The exit code says the most; a message that cannot be written must not change it.
fn leave_message(log: &Path, reason: &str, message: &str) {
    eprintln!("{reason}: {message}");
    let line = match serde_json::to_string(&Message { reason, message }) {
        Ok(line) => line + "\n",
        Err(error) => return eprintln!("the termination message could not be made: {error}"),
    };
    if let Err(error) = fs::write(log, line) {
        eprintln!("the termination message could not be written to {}: {error}", log.display());
    }
}
