//! The operator: it looks, decides, acts and writes down what it saw, and may die between any two
//! calls. Between looking and acting anything may happen.

use std::collections::BTreeMap;

use planner::{Observed, Role, Step};

use crate::etcd::{Etcd, Refused, is_alive};
use crate::sight::{View, now};
use crate::world::{Action, Breach, Event, Node, Pod, Stage, Status, World};

/// Where an operator is in its work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Idle,
    /// It has read Kubernetes; the number is how many faults were to come then.
    Looked(Box<View>, u8),
    /// It has decided on a step.
    Decided(Box<Intent>),
    /// It has written down the number of a pod and is about to create it.
    Reserved {
        number: u32,
        role: Role,
        report: Report,
    },
    /// It has made its change and is about to write down what it saw.
    Done(Report),
}

/// A step with what it was decided on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Intent {
    step: Step,
    /// The etcd cluster whose membership was read.
    from: Option<u32>,
    /// The pod that is to be changed, as it was seen.
    pod: Option<Pod>,
    report: Report,
    faults: u8,
}

/// What is written into the status after the step, if nobody else wrote since.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Report {
    seen: Status,
    members: Option<BTreeMap<u32, bool>>,
    reached_size: Option<usize>,
}

impl World {
    pub(crate) fn operator_actions(&self, index: usize, actions: &mut Vec<Action>) {
        match &self.operators[index] {
            Operator::Idle if index == 0 || self.budget.looks > 0 => {
                actions.push(Action::Look(index));
            }
            Operator::Idle => {}
            Operator::Looked(view, _) => {
                let missed = view.pods.keys().copied().filter(|_| self.budget.misses > 0);
                for missed in missed.map(Some).chain([None]) {
                    actions.extend(self.answers(view).into_iter().map(|from| Action::Decide {
                        operator: index,
                        from,
                        missed,
                    }));
                }
                actions.push(Action::Crash(index));
            }
            Operator::Decided(_) | Operator::Done(_) => {
                actions.extend([Action::Act(index), Action::Crash(index)]);
            }
            Operator::Reserved { .. } => {
                actions.push(Action::Act(index));
                if self.budget.crashes > 0 {
                    actions.push(Action::Crash(index));
                }
            }
        }
    }

    pub(crate) fn look(&mut self, index: usize) {
        if index > 0 {
            self.budget.looks -= 1;
        }
        let view = Box::new(View::of(self));
        self.operators[index] = Operator::Looked(view, self.budget.faults());
    }

    /// Who may answer: the cluster that is recorded if it can, or else one that is known to hold
    /// data, or else any.
    pub(crate) fn answers(&self, view: &View) -> Vec<Option<u32>> {
        let able: Vec<(u32, &Etcd)> = self
            .etcd
            .iter()
            .filter(|(_, etcd)| self.can_answer(etcd, view))
            .map(|(&seed, etcd)| (seed, etcd))
            .collect();
        let marked = |number: &u32| view.pods.get(number).is_some_and(|pod| pod.marked);
        let known = |seed| view.status.served == Some(seed);
        let best =
            able.iter().map(|&(seed, etcd)| (known(seed), etcd.numbers().iter().any(marked))).max();
        let Some(best) = best else { return vec![None] };
        able.iter()
            .filter(|&&(seed, etcd)| (known(seed), etcd.numbers().iter().any(marked)) == best)
            .map(|&(seed, _)| Some(seed))
            .collect()
    }

    fn can_answer(&self, etcd: &Etcd, view: &View) -> bool {
        let reads = |number| view.pods.contains_key(&number) && is_alive(&self.pods, number);
        etcd.has_quorum(&self.pods) && etcd.voters().any(|voter| reads(voter.number))
    }

    /// Reads the membership and decides. The member that is missed does not answer in time.
    pub(crate) fn decide(&mut self, index: usize, from: Option<u32>, missed: Option<u32>) {
        self.budget.misses -= u8::from(missed.is_some());
        let idle = std::mem::replace(&mut self.operators[index], Operator::Idle);
        let Operator::Looked(view, faults) = idle else { return };
        let observed = view.observed(self, from, missed);
        let plan = planner::plan(&view.desired(), &observed, now());
        let is_whole = plan.phase == planner::Phase::Running;
        let report = Report {
            members: members(&observed),
            reached_size: is_whole.then_some(view.wanted),
            seen: view.status,
        };
        let Some(step) = plan.step else { return self.report(report) };
        let pod = match &step {
            Step::DeletePod { number } | Step::MarkServed { number } => {
                view.pods.get(number).cloned()
            }
            _ => None,
        };
        let intent = Intent { step, from, pod, report, faults };
        self.operators[index] = Operator::Decided(Box::new(intent));
    }

    /// A crash costs only where it leaves a trace.
    pub(crate) fn crash(&mut self, index: usize) {
        if matches!(self.operators[index], Operator::Reserved { .. }) {
            self.budget.crashes -= 1;
        }
        self.operators[index] = Operator::Idle;
    }

    pub(crate) fn act(&mut self, index: usize) {
        match std::mem::replace(&mut self.operators[index], Operator::Idle) {
            Operator::Decided(intent) => self.operators[index] = self.step(*intent),
            Operator::Reserved { number, role, report } => {
                self.create(number, role);
                self.operators[index] = Operator::Done(report);
            }
            Operator::Done(report) => self.report(report),
            other => self.operators[index] = other,
        }
    }

    fn step(&mut self, intent: Intent) -> Operator {
        let Intent { step, from, pod, report, faults } = intent;
        let rules = self.rules;
        match step {
            Step::CreateSeed { number, .. } => return self.reserve(number, Role::Seed, report),
            Step::CreateJoiner { number, initial } => {
                return self.reserve(number, Role::Joiner(initial), report);
            }
            Step::MarkServed { number } => {
                self.change(number, pod.as_ref(), |pod| pod.marked = true);
            }
            Step::RecordServed { cluster_id } => {
                if self.status == report.seen {
                    self.status.served = u32::try_from(cluster_id).ok();
                }
                return Operator::Idle;
            }
            Step::DeletePod { number } => self.delete(number, pod.as_ref()),
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
            // Without an archive nothing is restored.
            Step::RecordRestore(_)
            | Step::OrderSnapshot { .. }
            | Step::FinishRestore { .. }
            | Step::AbortRecovery => unreachable!("{step:?}"),
            Step::MoveLeader { to, .. } => {
                self.ask(from, faults, |etcd, pods| etcd.move_leader(to, pods));
            }
        }
        Operator::Done(report)
    }

    /// The number is written down first, and only by who has seen the last status.
    fn reserve(&mut self, number: u32, role: Role, mut report: Report) -> Operator {
        if self.status != report.seen {
            self.history.note(Event::Conflict);
            return Operator::Idle;
        }
        if role == Role::Seed && self.status.served.is_some() {
            self.history.breach(Breach::SeededAgain);
        }
        self.status.next_number = self.status.next_number.max(number + 1);
        report.seen = self.status.clone();
        Operator::Reserved { number, role, report }
    }

    fn create(&mut self, number: u32, role: Role) {
        if !self.history.make(number) {
            self.history.breach(Breach::NumberTwice);
        }
        let new = Pod {
            role,
            stage: Stage::Pending,
            marked: false,
            terminating: false,
            node: Node::Ready,
        };
        self.pods.entry(number).or_insert(new);
    }

    fn delete(&mut self, number: u32, seen: Option<&Pod>) {
        let voters = |etcd: &Etcd| etcd.voters().any(|voter| voter.number == number);
        let holds_data = self.status.served.is_some() && self.home().is_some_and(voters);
        let was_terminating = self.pods.get(&number).is_some_and(|pod| pod.terminating);
        self.change(number, seen, |pod| pod.terminating = true);
        let is_terminating = self.pods.get(&number).is_some_and(|pod| pod.terminating);
        if holds_data && is_terminating && !was_terminating {
            self.history.breach(Breach::DataDeleted);
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
        if change(etcd, pods).is_err() {
            history.note(Event::Refused);
        }
        if had_quorum && !etcd.has_quorum(pods) && budget.faults() == faults {
            history.breach(Breach::QuorumBroken);
        }
    }

    fn report(&mut self, report: Report) {
        if self.status != report.seen {
            return;
        }
        if let Some(members) = report.members {
            self.status.members = members;
        }
        if let Some(reached) = report.reached_size {
            self.status.reached_size = reached;
        }
    }
}

/// Only what is believed is written down.
fn members(observed: &Observed) -> Option<BTreeMap<u32, bool>> {
    let members = observed.believed().ok()?;
    Some(members.members.iter().filter_map(|m| Some((m.number?, !m.learner))).collect())
}
