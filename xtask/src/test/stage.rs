//! One stage after the other: its name before it runs, its time after, the way to repeat it if it fails.

use std::future::Future;
use std::time::{Duration, Instant};

use ::tests::command::{CommandError, line, run_shown};
use ::tests::progress::seconds;
use anyhow::{Context, Result, anyhow};
use tokio::process::Command;

/// The first run on a machine compiles everything.
const LIMIT: Duration = Duration::from_hours(1);

/// Counts the stages of a run.
pub(super) struct Stages {
    number: usize,
    total: usize,
}

impl Stages {
    pub(super) fn new(total: usize) -> Self {
        Self { number: 0, total }
    }

    /// Does `work`; `by_hand` is the command that does it alone.
    pub(super) async fn work<T>(
        &mut self,
        name: &str,
        by_hand: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let start = self.begin(name);
        let done = Box::pin(work).await;
        let done = done.with_context(|| failure(name, by_hand, start.elapsed()))?;
        self.end(name, start);
        Ok(done)
    }

    /// Runs `command` with its output shown. Prints nothing after a `last` one that succeeds.
    pub(super) async fn command(
        &mut self,
        name: &str,
        command: &mut Command,
        last: bool,
    ) -> Result<()> {
        let start = self.begin(name);
        let ran = run_shown(command, LIMIT).await;
        // What it said stands above, so a failure needs no second sentence of its own.
        ran.map_err(|error| match error {
            CommandError::Failed { .. } => anyhow!(failure(name, &line(command), start.elapsed())),
            other => anyhow!(other).context(failure(name, &line(command), start.elapsed())),
        })?;
        if !last {
            self.end(name, start);
        }
        Ok(())
    }

    fn begin(&mut self, name: &str) -> Instant {
        self.number += 1;
        eprintln!("[{}/{}] {name}", self.number, self.total);
        Instant::now()
    }

    fn end(&self, name: &str, start: Instant) {
        eprintln!("[{}/{}] {name}: {}", self.number, self.total, seconds(start.elapsed()));
    }
}

fn failure(name: &str, by_hand: &str, time: Duration) -> String {
    format!("the stage `{name}` failed after {}; to run it alone: {by_hand}", seconds(time))
}
