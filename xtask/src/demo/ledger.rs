//! What was done, how long it took and what came out: the table at the end.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use ::tests::progress::{Progress, seconds};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub(super) struct Row {
    step: String,
    seconds: f64,
    result: String,
}

/// The steps so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub(super) struct Ledger(Vec<Row>);

impl Ledger {
    /// Does `work`, shows it, and writes down the sentence that it returns.
    pub(super) async fn step(
        &mut self,
        progress: &Progress,
        step: &str,
        expected: Duration,
        work: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        let work = async { work.await.map(|sentence| (sentence, ())) };
        Box::pin(self.step_for(progress, step, expected, work)).await
    }

    /// The same with work that later steps need something of.
    pub(super) async fn step_for<T>(
        &mut self,
        progress: &Progress,
        step: &str,
        expected: Duration,
        work: impl Future<Output = Result<(String, T)>>,
    ) -> Result<T> {
        let start = Instant::now();
        let done = progress.step(step, expected, work).await;
        let result = done.as_ref().map_or("FAILED", |(sentence, _)| sentence).to_owned();
        self.0.push(Row { step: step.to_owned(), seconds: start.elapsed().as_secs_f64(), result });
        done.map(|(_, value)| value).with_context(|| format!("the step `{step}` failed"))
    }

    /// Writes down what was not done, and why.
    pub(super) fn left_out(&mut self, step: &str, why: &str) {
        let result = format!("LEFT OUT: {why}");
        self.0.push(Row { step: step.to_owned(), seconds: 0.0, result });
    }

    /// Takes over the steps of another part.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let width = self.0.iter().map(|row| row.step.len()).max().unwrap_or(0);
        writeln!(f, "\n{:<width$}  {:>10}  what came out", "what was done", "took")?;
        for row in &self.0 {
            let took = seconds(Duration::try_from_secs_f64(row.seconds).unwrap_or_default());
            writeln!(f, "{:<width$}  {took:>10}  {}", row.step, row.result)?;
        }
        let all = self.0.iter().map(|row| row.seconds).sum();
        let all = seconds(Duration::try_from_secs_f64(all).unwrap_or_default());
        writeln!(f, "{:<width$}  {all:>10}", "all of it")
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_failed_step_is_in_the_table_and_named_in_the_error() {
        let mut ledger = Ledger::default();
        let fine = async { Ok("three vote".to_owned()) };
        ledger.step(&Progress::Silent, "create", SOON, fine).await.unwrap();
        let bad = async { bail!("no node is left") };
        let error = ledger.step(&Progress::Silent, "grow", SOON, bad).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "the step `grow` failed: no node is left");
        let table = ledger.to_string();
        assert!(table.contains("create") && table.contains("three vote"), "{table}");
        assert!(table.contains("grow") && table.contains("FAILED"), "{table}");
        assert!(table.contains("all of it"), "{table}");
    }

    #[tokio::test]
    async fn what_is_left_out_is_in_the_table_with_the_reason() {
        let mut ledger = Ledger::default();
        ledger.left_out("back up", "as --no-backups asks");
        assert!(ledger.to_string().contains("LEFT OUT: as --no-backups asks"), "{ledger}");
    }

    #[tokio::test]
    async fn rows_survive_the_way_out_of_the_local_kubernetes() {
        let mut ledger = Ledger::default();
        ledger.step(&Progress::Silent, "kill", SOON, async { Ok("healed".into()) }).await.unwrap();
        let text = serde_json::to_string(&ledger).unwrap();
        assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), ledger);
    }
}
