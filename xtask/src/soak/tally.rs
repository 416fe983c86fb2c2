//! What became of the rounds.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use ::tests::progress::seconds;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// Somebody was killed, and every key is back.
    Passed,
    /// Every key is back, but nobody came to the point at which somebody was to be killed.
    NotReached,
    /// Why not.
    Failed(String),
}

/// One round that was played.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Played {
    pub(super) round: String,
    pub(super) verdict: Verdict,
    pub(super) seconds: u64,
    /// The file with what it said.
    pub(super) log: String,
}

/// All that were played.
#[derive(Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) seconds: u64,
    /// Those for which there was no time.
    pub(super) left_out: usize,
    pub(super) rounds: Vec<Played>,
}

/// Of one course in one place.
#[derive(Default)]
struct Row {
    passed: usize,
    not_reached: usize,
    failed: usize,
    seconds: u64,
}

impl Tally {
    /// Whether some round failed.
    pub(super) fn has_failed(&self) -> bool {
        self.rounds.iter().any(|one| matches!(one.verdict, Verdict::Failed(_)))
    }

    fn rows(&self) -> BTreeMap<&str, Row> {
        let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
        for one in &self.rounds {
            let of = one.round.rsplit_once('/').map_or("", |(of, _)| of);
            let row = rows.entry(of).or_default();
            row.seconds += one.seconds;
            match one.verdict {
                Verdict::Passed => row.passed += 1,
                Verdict::NotReached => row.not_reached += 1,
                Verdict::Failed(_) => row.failed += 1,
            }
        }
        rows
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["", "passed", "not reached", "failed", "each"];
        let [first, passed, not_reached, failed, each] = titles;
        writeln!(f, "\n{first:<16}{passed:>8}{not_reached:>13}{failed:>8}{each:>14}")?;
        for (of, row) in self.rows() {
            let Row { passed, not_reached, failed, seconds: all } = row;
            let count = u64::try_from(passed + not_reached + failed).unwrap_or(1).max(1);
            let each = seconds(Duration::from_secs(all / count));
            writeln!(f, "{of:<16}{passed:>8}{not_reached:>13}{failed:>8}{each:>14}")?;
        }
        let time = seconds(Duration::from_secs(self.seconds));
        write!(f, "{} rounds in {time}", self.rounds.len())?;
        if self.left_out > 0 {
            write!(f, "; no time for {} more", self.left_out)?;
        }
        writeln!(f)?;
        let not_reached = self.rounds.iter().filter(|one| one.verdict == Verdict::NotReached);
        for one in not_reached {
            writeln!(f, "not reached: {}", one.round)?;
        }
        for one in &self.rounds {
            if let Verdict::Failed(why) = &one.verdict {
                let Played { round, log, .. } = one;
                writeln!(f, "\nFAILED {round}: {why}")?;
                writeln!(f, "  what there was in its namespace: {log}")?;
                writeln!(f, "  exactly this round again: cargo xtask soak --only {round}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(round: &str, verdict: Verdict) -> Played {
        Played { round: round.into(), verdict, seconds: 40, log: "target/soak/x.log".into() }
    }

    #[test]
    fn the_summary_counts_by_course_and_says_how_to_repeat_what_failed() {
        let rounds = vec![
            played("all-lost/s3/nobody", Verdict::Passed),
            played("all-lost/s3/operator:reserved", Verdict::Failed("a key is gone".into())),
            played("one-left/pv/restore-init:restoring", Verdict::NotReached),
        ];
        let tally = Tally { seconds: 130, left_out: 7, rounds };
        assert!(tally.has_failed());
        let told = tally.to_string();
        let lines: Vec<Vec<&str>> =
            told.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(lines.contains(&vec!["all-lost/s3", "1", "0", "1", "40.0", "s"]), "{told}");
        assert!(lines.contains(&vec!["one-left/pv", "0", "1", "0", "40.0", "s"]), "{told}");
        assert!(told.contains("3 rounds in 2 min 10 s; no time for 7 more"), "{told}");
        assert!(told.contains("not reached: one-left/pv/restore-init:restoring"), "{told}");
        let again = "cargo xtask soak --only all-lost/s3/operator:reserved";
        assert!(told.contains(again) && told.contains("target/soak/x.log"), "{told}");
    }
}
