//! Whether what the operator does is right, judged by all there is and not by what it saw.

use planner::{Cause, Phase, Plan, Role, Step};

use crate::etcd::Etcd;
use crate::history::{Breach, Event};
use crate::sight::View;
use crate::world::{Source, World};

impl World {
    /// A quorum is lost when fewer voters than that may still hold their data.
    pub(crate) fn is_lost(&self, etcd: &Etcd) -> bool {
        let left = etcd.voters().filter(|voter| self.is_left(voter.number)).count();
        left < planner::quorum(etcd.voters().count())
    }

    /// A decision on what was seen: a recovery that a person should have approved for the loss of
    /// just these members.
    pub(crate) fn judge_decision(&mut self, view: &View, plan: &Plan) {
        if plan.phase == Phase::Unrecoverable {
            self.history.note(Event::Unrecoverable);
        }
        let Some(Step::RecordRestore(restore)) = &plan.step else { return };
        let Cause::Recovery(recovery) = restore.cause else { return };
        if recovery == view.status.recoveries {
            return;
        }
        if view.status.restore.is_some() {
            self.history.note(Event::BegunAnew);
        }
        if !view.spec.is_manual {
            return;
        }
        if view.approved == Some(view.gone(self).join(",")) {
            self.history.note(Event::Approved);
        } else {
            self.history.breach(Breach::Unapproved);
        }
    }

    /// A first member is about to be made.
    pub(crate) fn judge_first(&mut self, role: &Role) {
        let Role::Restored(id) = role else {
            let is_seed = *role == Role::Seed;
            if is_seed && (self.status.served.is_some() || self.spec.source.is_some()) {
                self.history.breach(Breach::SeededAgain);
            }
            return;
        };
        let home = self.home_seed();
        if id == Source::ID && home.is_some() && !self.archive.backups.is_empty() {
            self.history.breach(Breach::OlderRestored);
        }
        let members = home.and_then(|seed| self.etcd.get(&seed)).map(Etcd::numbers);
        // Who joined, and vanished from a silent node before the status named it, has left no trace.
        let is_known = |number: &u32| {
            self.pods.contains_key(number) || self.status.members.contains_key(number)
        };
        let mut known = members.into_iter().flatten().filter(is_known);
        if known.any(|number| self.is_left(number)) {
            self.history.breach(Breach::MadeBeside);
        }
        if self.is_older(id, home) {
            self.history.breach(Breach::OlderRestored);
        }
    }

    /// Whether this backup holds less than the survivors held who were deleted, or, without any,
    /// is older than another that nobody refused.
    fn is_older(&self, id: &str, home: Option<u32>) -> bool {
        let Some(chosen) = self.archive.backup(id) else { return false };
        if let Some((cluster, revision)) = self.history.owed.filter(|owed| Some(owed.0) == home) {
            return chosen.cluster != cluster || chosen.revision < revision;
        }
        let is_refused = |number: u8| self.history.refused & (1 << number) != 0;
        let newer = self.archive.backups.iter().filter(|other| other.number > chosen.number);
        newer
            .filter(|other| other.revision > chosen.revision || other.cluster != chosen.cluster)
            .any(|other| !is_refused(other.number))
    }

    /// A pod was told to go. That a backup vanished after the operator looked is not its fault.
    pub(crate) fn judge_deletion(&mut self, number: u32, faults: u8) {
        let Some(seed) = self.status.served else { return };
        let Some(home) = self.etcd.get(&seed) else { return };
        let Some(member) = home.member(number) else { return };
        if !self.is_lost(home) || !self.spec.has_backups {
            if !member.learner {
                self.history.breach(Breach::DataDeleted);
            }
            return;
        }
        if !self.is_left(number) {
            return;
        }
        let revision = member.revision;
        if self.archive.stored(seed) < Some(revision) {
            if self.budget.faults() == faults {
                self.history.breach(Breach::SurvivorDeleted);
            }
            return;
        }
        let before = self.history.owed.filter(|owed| owed.0 == seed).map_or(0, |owed| owed.1);
        self.history.owed = Some((seed, before.max(revision)));
        self.history.note(Event::SurvivorGone);
    }
}
