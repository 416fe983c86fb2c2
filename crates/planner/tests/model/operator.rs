//! The operator: it looks, decides, acts and writes down what it saw, and may die between any two
//! calls. Between looking and acting anything may happen.

use std::collections::BTreeMap;
use std::sync::Arc;

use planner::{Observed, Phase, Role, Step};

use crate::action::{Action, Missed};
use crate::etcd::{Etcd, is_alive};
use crate::sight::{View, now};
use crate::world::{Pod, Status, World};

/// Where an operator is in its work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Idle,
    /// It has read Kubernetes; the number is how many faults were to come then.
    Looked(Arc<View>, u8),
    /// It has decided on a step.
    Decided(Arc<Intent>),
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
    pub(crate) step: Step,
    /// The etcd cluster whose membership was read.
    pub(crate) from: Option<u32>,
    /// The pod that is to be changed, as it was seen.
    pub(crate) pod: Option<Pod>,
    pub(crate) report: Report,
    /// How many faults were to come when it was decided.
    pub(crate) faults: u8,
}

/// What is written into the status after the step, if nobody else wrote since.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Report {
    pub(crate) seen: Status,
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
                for missed in self.missable(view) {
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

    /// Who may not answer in time.
    fn missable(&self, view: &View) -> Vec<Option<Missed>> {
        let sidecar = self.spec.has_backups.then_some(Missed::Sidecar);
        let members = view.pods.keys().copied().map(Missed::Member);
        let any = members.chain(sidecar).filter(|_| self.budget.misses > 0);
        any.map(Some).chain([None]).collect()
    }

    /// What the status names for a person to approve.
    pub(crate) fn approval(&self) -> Option<String> {
        let view = View::of(self);
        let from = self.answers(&view).first().copied().flatten();
        planner::approval(&view.desired(), &view.observed(self, from, None))
    }

    pub(crate) fn look(&mut self, index: usize) {
        if index > 0 {
            self.budget.looks -= 1;
        }
        let view = Arc::new(View::of(self));
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

    /// Reads the membership and decides.
    pub(crate) fn decide(&mut self, index: usize, from: Option<u32>, missed: Option<Missed>) {
        self.budget.misses -= u8::from(missed.is_some());
        let idle = std::mem::replace(&mut self.operators[index], Operator::Idle);
        let Operator::Looked(view, faults) = idle else { return };
        self.admit(&view);
        let observed = view.observed(self, from, missed);
        let plan = planner::plan(&view.desired(), &observed, now());
        self.judge_decision(&view, &plan);
        let report = Report {
            members: members(&observed),
            reached_size: (plan.phase == Phase::Running).then_some(view.spec.size),
            seen: view.status.clone(),
        };
        let Some(step) = plan.step else { return self.report(report) };
        let pod = match &step {
            Step::DeletePod { number } | Step::MarkServed { number } => {
                view.pods.get(number).cloned()
            }
            _ => None,
        };
        let intent = Intent { step, from, pod, report, faults };
        self.operators[index] = Operator::Decided(Arc::new(intent));
    }

    /// The client service leads to a member from a backup once the status names it.
    fn admit(&mut self, view: &View) {
        if view.status.restore.is_some() {
            return;
        }
        for number in view.status.members.keys() {
            if let Some(pod) = self.pods.get_mut(number) {
                pod.admitted = true;
            }
        }
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
            Operator::Decided(intent) => {
                self.operators[index] = self.step(Arc::unwrap_or_clone(intent));
            }
            Operator::Reserved { number, role, report } => {
                self.create(number, role);
                self.operators[index] = Operator::Done(report);
            }
            Operator::Done(report) => self.report(report),
            other => self.operators[index] = other,
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
