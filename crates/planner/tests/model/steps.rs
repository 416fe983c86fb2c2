//! What the operator's steps do to Kubernetes, etcd and the sidecar.

use std::collections::BTreeMap;

use planner::{Cause, Role, Step};

use crate::etcd::{Etcd, Refused};
use crate::history::{Breach, Event};
use crate::operator::{Intent, Operator, Report};
use crate::world::{Node, Pod, Stage, Status, World};

impl World {
    /// Makes the change, or the first of its two calls.
    pub(crate) fn step(&mut self, intent: Intent) -> Operator {
        let Intent { step, from, pod, report, faults } = intent;
        let rules = self.rules;
        match step {
            Step::CreateSeed { number, restore } => {
                let role = restore.map_or(Role::Seed, |backup| Role::Restored(backup.id));
                return self.reserve(number, role, report);
            }
            Step::CreateJoiner { number, initial } => {
                return self.reserve(number, Role::Joiner(initial), report);
            }
            Step::MarkServed { number } => {
                self.change(number, pod.as_ref(), |pod| pod.marked = true);
            }
            Step::RecordServed { .. }
            | Step::RecordRestore(_)
            | Step::FinishRestore { .. }
            | Step::AbortRecovery => {
                self.remember(step, &report.seen);
                return Operator::Idle;
            }
            Step::OrderSnapshot { number, id } => self.archive.order(id, number),
            Step::DeletePod { number } => self.delete(number, pod.as_ref(), faults),
            Step::AddLearner { number } => {
                self.ask(from, faults, |etcd, pods| etcd.add_learner(number, rules, pods));
            }
            Step::Promote { id, .. } => {
                self.ask(from, faults, |etcd, pods| etcd.promote(id, rules, pods));
            }
            Step::RemoveMember { id, .. } => {
                self.history.note(Event::Replaced);
                self.ask(from, faults, |etcd, pods| etcd.remove(id, rules, pods));
            }
            Step::MoveLeader { to, .. } => {
                self.ask(from, faults, |etcd, pods| etcd.move_leader(to, pods));
            }
        }
        Operator::Done(report)
    }

    /// Writes down how things stand, unless somebody else wrote since.
    fn remember(&mut self, step: Step, seen: &Status) {
        if self.status != *seen {
            return self.history.note(Event::Conflict);
        }
        match step {
            Step::RecordServed { cluster_id } => self.status.served = seed(cluster_id),
            Step::RecordRestore(restore) => {
                if let Cause::Recovery(recovery) = restore.cause {
                    self.status.recoveries = recovery;
                }
                self.status.restore = Some(restore);
            }
            Step::FinishRestore { cluster_id, number } => {
                self.history.note(Event::Restored);
                self.status.served = seed(cluster_id);
                self.status.members = BTreeMap::from([(number, true)]);
                self.status.restore = None;
            }
            _ => self.status.restore = None,
        }
    }

    /// The number is written down first, and only by who has seen the last status.
    fn reserve(&mut self, number: u32, role: Role, mut report: Report) -> Operator {
        if self.status != report.seen {
            self.history.note(Event::Conflict);
            return Operator::Idle;
        }
        self.judge_first(&role);
        self.status.next_number = self.status.next_number.max(number + 1);
        report.seen = self.status.clone();
        Operator::Reserved { number, role, report }
    }

    pub(crate) fn create(&mut self, number: u32, role: Role) {
        if !self.history.make(number) {
            self.history.breach(Breach::NumberTwice);
        }
        let is_restored = matches!(role, Role::Restored(_));
        let new = Pod {
            role,
            stage: Stage::Pending,
            marked: false,
            terminating: false,
            admitted: !is_restored,
            node: Node::Ready,
        };
        self.pods.entry(number).or_insert(new);
    }

    fn delete(&mut self, number: u32, seen: Option<&Pod>, faults: u8) {
        let before = self.pods.get(&number).is_some_and(|pod| pod.terminating);
        self.change(number, seen, |pod| pod.terminating = true);
        if !before && self.pods.get(&number).is_some_and(|pod| pod.terminating) {
            self.judge_deletion(number, faults);
        }
    }

    /// Refused when the pod is not as it was seen: its resource version is a precondition.
    fn change(&mut self, number: u32, seen: Option<&Pod>, change: impl FnOnce(&mut Pod)) {
        match self.pods.get_mut(&number) {
            Some(pod) if Some(&*pod) == seen => change(pod),
            Some(_) => self.history.note(Event::Conflict),
            None => {}
        }
    }

    /// Asks etcd for a change. A quorum that is there must be there afterwards, unless something
    /// broke since the operator looked.
    fn ask(
        &mut self,
        from: Option<u32>,
        faults: u8,
        change: impl FnOnce(&mut Etcd, &BTreeMap<u32, Pod>) -> Result<(), Refused>,
    ) {
        let Self { etcd, pods, history, budget, .. } = self;
        let Some(etcd) = from.and_then(|seed| etcd.get_mut(&seed)) else { return };
        let had_quorum = etcd.has_quorum(pods);
        match change(etcd, pods) {
            Ok(()) => etcd.agree(pods),
            Err(Refused) => history.note(Event::Refused),
        }
        if had_quorum && !etcd.has_quorum(pods) && budget.faults() == faults {
            history.breach(Breach::QuorumBroken);
        }
    }
}

/// The first member of the etcd cluster with this ID.
fn seed(cluster_id: u64) -> Option<u32> {
    u32::try_from(cluster_id).ok()
}
