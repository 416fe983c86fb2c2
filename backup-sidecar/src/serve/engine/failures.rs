//! What fails at the moment. Each kind of work has a row of its own, which only its own success ends: a
//! backup that is stored does not hide that old ones cannot be deleted.

use std::collections::BTreeMap;

use api::sidecar::Failing;
use jiff::Timestamp;

use crate::serve::taker::Problem;

/// The kinds of work, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// Taking a backup.
    Backup,
    /// Opening the store and listing what is in it.
    List,
    /// Deleting what no rule keeps.
    Retention,
    /// Removing what died on its way.
    Tidy,
}

/// The rows of failures.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Work, Failing>);

impl Failures {
    /// One more failure of this kind.
    pub(super) fn add(&mut self, work: Work, problem: &Problem, now: Timestamp) {
        let before = self.0.get(&work);
        let row = Failing {
            since: before.map_or(now, |row| row.since),
            attempts: before.map_or(1, |row| row.attempts.saturating_add(1)),
            reason: problem.reason.to_owned(),
            message: problem.message.clone(),
        };
        self.0.insert(work, row);
    }

    /// Work of this kind succeeded; gives whether it had failed before.
    pub(super) fn end(&mut self, work: Work) -> bool {
        self.0.remove(&work).is_some()
    }

    /// Whether work of this kind fails.
    pub(super) fn has(&self, work: Work) -> bool {
        self.0.contains_key(&work)
    }

    /// The row that matters most.
    pub(super) fn worst(&self) -> Option<&Failing> {
        self.0.values().next()
    }
}
