//! Running other programs: each call has a time limit, and a failure shows what the program said.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Why a program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started at all.
    #[error("`{command}` could not be started; is it installed and on PATH?")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It ran and said no.
    #[error("`{command}` ended with {status}: {said}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        said: String,
    },
    /// It did not end in time and was killed.
    #[error("`{command}` had not finished after {limit:?} and was ended")]
    Late {
        /// The command line.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
}

/// A command that dies with the future that waits for it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Runs `command` to its end and returns what it wrote to stdout.
pub async fn run(command: &mut Command, limit: Duration) -> Result<String, CommandError> {
    run_with_input(command, "", limit).await
}

/// As [`run`], with `input` on its stdin.
pub async fn run_with_input(
    command: &mut Command,
    input: &str,
    limit: Duration,
) -> Result<String, CommandError> {
    let output = tokio::time::timeout(limit, output(command, input))
        .await
        .map_err(|_| CommandError::Late { command: line(command), limit })?
        .map_err(|source| CommandError::Start { command: line(command), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(CommandError::Failed { command: line(command), status: output.status, said: said(&output) })
}

/// Runs `command` with this program's own output, for steps whose output is the point of them.
pub async fn run_shown(command: &mut Command, limit: Duration) -> Result<(), CommandError> {
    let status = tokio::time::timeout(limit, command.status())
        .await
        .map_err(|_| CommandError::Late { command: line(command), limit })?
        .map_err(|source| CommandError::Start { command: line(command), source })?;
    if status.success() {
        return Ok(());
    }
    let said = "its output stands above".to_owned();
    Err(CommandError::Failed { command: line(command), status, said })
}

async fn output(command: &mut Command, input: &str) -> std::io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_empty() {
        return command.output().await;
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    child.wait_with_output().await
}

/// The command as a person would type it.
pub fn line(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// The last lines of both outputs: programs put the reason at the end.
fn said(output: &Output) -> String {
    const LINES: usize = 15;
    let both = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let lines: Vec<&str> = both.iter().flat_map(|text| text.lines()).collect();
    lines.iter().skip(lines.len().saturating_sub(LINES)).copied().collect::<Vec<_>>().join("\n")
}

/// The first file named `program` on PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_failure_carries_the_command_line_and_what_was_said() {
        let mut failing = command("sh");
        failing.args(["-c", "echo the reason >&2; exit 3"]);
        let error = run(&mut failing, SOON).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "`sh -c echo the reason >&2; exit 3` ended with exit status: 3: the reason"
        );
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_ended() {
        let mut hanging = command("sleep");
        hanging.arg("1000");
        let error = run(&mut hanging, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, CommandError::Late { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = run(&mut command("no-such-program"), SOON).await.unwrap_err().to_string();
        assert!(error.contains("`no-such-program` could not be started"), "{error}");
    }

    #[tokio::test]
    async fn input_reaches_the_program() {
        assert_eq!(run_with_input(&mut command("cat"), "a\nb", SOON).await.unwrap(), "a\nb");
    }
}
