//! What is said at the end, gathered on the way.

use std::time::Duration;

use api::restore::{EXIT_AGAIN, EXIT_REFUSED, EXIT_USAGE, Fault, RESTORED, RestoreReport};

use super::{problem::Problem, source::Chosen};

/// The kubelet keeps 4096 bytes of a termination message.
const LONGEST: usize = 2048;

/// The end of a restore: what is said, and the exit code.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub report: RestoreReport,
    pub exit: u8,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    known: RestoreReport,
    bump: Option<u64>,
    remarks: Vec<String>,
}

/// What is added to the revisions, and what there is to say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bump {
    pub by: Option<u64>,
    pub remark: Option<&'static str>,
}

impl Report {
    /// The backup is known now: says which it is and what it can bring back.
    pub(crate) fn chose(&mut self, backup: &Chosen, bump: Bump) -> Result<(), Problem> {
        let manifest = &backup.manifest;
        self.known.backup = Some(manifest.id.to_string());
        self.known.cluster_uid = Some(manifest.cluster.uid.clone());
        self.known.manifest_digest = Some(backup.digest.to_string());
        self.known.revision = Some(manifest.revision);
        self.known.auth_enabled = Some(manifest.auth_enabled);
        self.bump = bump.by;
        self.remarks.extend(bump.remark.map(str::to_owned));
        self.known.bumped_revision = bump.by.map(|by| bumped(manifest.revision, by)).transpose()?;
        eprintln!("{}", backup.described());
        eprintln!("{}", self.revisions(manifest.compact_revision));
        Ok(())
    }

    fn revisions(&self, compacted: u64) -> String {
        let last = self.known.revision.unwrap_or_default();
        match self.known.bumped_revision {
            Some(bumped) => format!(
                "its data is that of revision {last} (history from {compacted} on is in the backup and \
                 will be compacted); the restored etcd goes on from revision {bumped}"
            ),
            None => format!(
                "its revisions {compacted} to {last} come back under their own numbers; a client that \
                 saw later ones misses changes"
            ),
        }
    }

    /// What is added to the revisions.
    pub(crate) fn bump(&self) -> Option<u64> {
        self.bump
    }

    /// What an earlier run said of the directory that it made.
    pub(crate) fn was_restored_before(&mut self, earlier: RestoreReport) {
        self.known = RestoreReport { already_restored: true, ..earlier };
    }

    /// What the marker keeps.
    pub(crate) fn known(&self) -> &RestoreReport {
        &self.known
    }

    /// The end.
    pub(crate) fn conclude(self, result: Result<(), Problem>, took: Duration) -> Outcome {
        let known = RestoreReport { seconds: Some(rounded(took)), ..self.known };
        match result {
            Ok(()) => Outcome { report: good(known, &self.remarks), exit: 0 },
            Err(problem) => Outcome { exit: exit(&problem), report: bad(known, &problem) },
        }
    }
}

/// The revision that the restored data begins with. etcd counts up to 2⁶³ - 1.
fn bumped(revision: u64, by: u64) -> Result<u64, Problem> {
    revision.checked_add(by).filter(|sum| i64::try_from(*sum).is_ok()).ok_or_else(|| {
        Problem::Usage(format!(
            "revision {revision} plus {by} is more than etcd can count; give less"
        ))
    })
}

fn good(known: RestoreReport, remarks: &[String]) -> RestoreReport {
    let backup = known.backup.as_deref().unwrap_or("?");
    let verb = if known.already_restored { "was restored before" } else { "is restored" };
    let revisions = match (known.revision, known.bumped_revision) {
        (Some(last), Some(bumped)) => {
            format!(": the data of revision {last}, as revision {bumped}")
        }
        (Some(last), None) => format!(" up to revision {last}"),
        (None, _) => String::new(),
    };
    let auth = match known.auth_enabled {
        Some(true) => "; etcd will ask for users and passwords, as it did",
        _ => "",
    };
    let first = format!("backup {backup} {verb}{revisions}{auth}");
    let message = [&[first], remarks].concat().join("; ");
    RestoreReport { reason: RESTORED.to_owned(), message, ..known }
}

fn bad(known: RestoreReport, problem: &Problem) -> RestoreReport {
    RestoreReport {
        reason: problem.reason().to_owned(),
        message: problem.to_string().chars().take(LONGEST).collect(),
        retryable: problem.is_retryable(),
        fault: Some(problem.fault()),
        bumped_revision: None,
        ..known
    }
}

fn exit(problem: &Problem) -> u8 {
    match problem {
        Problem::Signal(number) => 128 + number,
        _ if problem.fault() == Fault::Usage => EXIT_USAGE,
        _ if problem.is_retryable() => EXIT_AGAIN,
        _ => EXIT_REFUSED,
    }
}

/// To milliseconds.
fn rounded(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e3).round() / 1e3
}
