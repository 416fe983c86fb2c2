//! Everything there is, and what can happen next.

use std::collections::BTreeMap;

use planner::Role;

use crate::etcd::{Etcd, Rules};
use crate::operator::Operator;

/// The state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// `spec.size`.
    pub(crate) wanted: usize,
    /// The cluster object's status, which is written by compare-and-swap.
    pub(crate) status: Status,
    /// The pods in Kubernetes.
    pub(crate) pods: BTreeMap<u32, Pod>,
    /// The etcd clusters, by the number of their first member. There should be one.
    pub(crate) etcd: BTreeMap<u32, Etcd>,
    /// The operator, and one that acts beside it for a moment.
    pub(crate) operators: [Operator; 2],
    /// What may still go wrong.
    pub(crate) budget: Budget,
    /// How etcd was started.
    pub(crate) rules: Rules,
    /// So much time has passed that what runs has run for long.
    pub(crate) late: bool,
    /// What must not be forgotten to judge the operator.
    pub(crate) history: History,
}

/// What the operator wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    pub(crate) next_number: u32,
    /// The cluster that was recorded as serving, by the number of its first member.
    pub(crate) served: Option<u32>,
    pub(crate) reached_size: usize,
    /// The members that were seen, and whether they had a vote.
    pub(crate) members: BTreeMap<u32, bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pod {
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) marked: bool,
    pub(crate) terminating: bool,
    pub(crate) node: Node,
}

/// How far a pod came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Pending,
    Gated,
    /// etcd runs.
    Running,
    /// etcd was killed in its first start and hangs.
    Wedged,
    /// etcd refuses to start.
    Crashing,
    /// The guard refuses to start etcd: the data is gone.
    DataLost,
}

/// The node under a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Ready,
    /// Not ready, for a moment or for longer than members are waited for.
    Away {
        long: bool,
    },
}

/// How often what may happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A pod vanishes with its data.
    pub(crate) losses: u8,
    /// A pod stays and its data is gone.
    pub(crate) wipes: u8,
    /// A node falls silent.
    pub(crate) silences: u8,
    /// A member does not answer the operator in time.
    pub(crate) misses: u8,
    /// A first member is killed in its first start.
    pub(crate) wedges: u8,
    /// The operator dies between writing down a number and using it.
    pub(crate) crashes: u8,
    /// The second operator looks.
    pub(crate) looks: u8,
    /// The sizes that will be wanted.
    pub(crate) resizes: Vec<usize>,
}

impl Budget {
    /// How many faults are to come.
    pub(crate) fn faults(&self) -> u8 {
        self.losses + self.wipes + self.silences
    }
}

/// Facts for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    /// The numbers that pods were made with, as bits.
    made: u64,
    /// The rules that the operator broke by an action, as [`Breach`] bits.
    pub(crate) breaches: u8,
    /// What was seen to happen, as [`Event`] bits: a model in which it never does proves nothing.
    pub(crate) events: u8,
}

/// A rule that is broken by doing something rather than by a state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Breach {
    NumberTwice = 1,
    SeededAgain = 2,
    QuorumBroken = 4,
    DataDeleted = 8,
}

/// Something that must happen somewhere in the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Refused = 1,
    Conflict = 2,
    LateStart = 4,
    Replaced = 8,
}

impl History {
    /// A pod is made with this number; whether it is the first. Numbers that no run reaches that
    /// comes to an end count as one.
    pub(crate) fn make(&mut self, number: u32) -> bool {
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        let is_new = self.made & bit == 0;
        self.made |= bit;
        is_new
    }

    pub(crate) fn breach(&mut self, breach: Breach) {
        self.breaches |= breach as u8;
    }

    pub(crate) fn has(&self, breach: Breach) -> bool {
        self.breaches & breach as u8 != 0
    }

    pub(crate) fn note(&mut self, event: Event) {
        self.events |= event as u8;
    }

    pub(crate) fn saw(&self, event: Event) -> bool {
        self.events & event as u8 != 0
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// An operator reads Kubernetes.
    Look(usize),
    /// It reads the membership from the etcd cluster of this first member and decides; one member
    /// may not answer in time.
    Decide {
        operator: usize,
        from: Option<u32>,
        missed: Option<u32>,
    },
    /// It makes one call.
    Act(usize),
    /// It dies and is started again.
    Crash(usize),
    /// The kubelet brings a pod one step further.
    Progress(u32),
    Wedge(u32),
    Lose(u32),
    Wipe(u32),
    Silence(u32),
    /// Its node has been silent for longer than members are waited for.
    Overdue(u32),
    Return(u32),
    Resize,
}

impl World {
    pub(crate) fn actions(&self, actions: &mut Vec<Action>) {
        for index in 0..self.operators.len() {
            self.operator_actions(index, actions);
        }
        for (&number, pod) in &self.pods {
            self.pod_actions(number, pod, actions);
        }
        if !self.budget.resizes.is_empty() {
            actions.push(Action::Resize);
        }
    }

    fn pod_actions(&self, number: u32, pod: &Pod, actions: &mut Vec<Action>) {
        actions.push(Action::Progress(number));
        let starts = pod.stage == Stage::Gated && pod.role == Role::Seed && !pod.marked;
        if starts && self.budget.wedges > 0 {
            actions.push(Action::Wedge(number));
        }
        if self.budget.losses > 0 {
            actions.push(Action::Lose(number));
        }
        if self.budget.wipes > 0 && pod.stage == Stage::Running {
            actions.push(Action::Wipe(number));
        }
        match pod.node {
            Node::Ready if self.budget.silences > 0 => actions.push(Action::Silence(number)),
            Node::Ready => {}
            Node::Away { long } => {
                actions.push(Action::Return(number));
                if !long {
                    actions.push(Action::Overdue(number));
                }
            }
        }
    }

    /// Lets it happen.
    pub(crate) fn take(&mut self, action: &Action) {
        match *action {
            Action::Look(index) => self.look(index),
            Action::Decide { operator, from, missed } => self.decide(operator, from, missed),
            Action::Act(index) => self.act(index),
            Action::Crash(index) => self.crash(index),
            Action::Progress(number) => self.progress(number),
            Action::Wedge(number) => {
                self.budget.wedges -= 1;
                self.pod(number).stage = Stage::Wedged;
            }
            Action::Lose(number) => {
                self.budget.losses -= 1;
                self.pods.remove(&number);
            }
            Action::Wipe(number) => {
                self.budget.wipes -= 1;
                self.wipe(number);
            }
            Action::Silence(number) => {
                self.budget.silences -= 1;
                self.pod(number).node = Node::Away { long: false };
            }
            Action::Overdue(number) => self.pod(number).node = Node::Away { long: true },
            Action::Return(number) => self.pod(number).node = Node::Ready,
            Action::Resize => self.wanted = self.budget.resizes.remove(0),
        }
        self.settle();
    }

    fn pod(&mut self, number: u32) -> &mut Pod {
        self.pods.get_mut(&number).expect("an action on a pod that is there")
    }

    /// etcd elects, and clusters of which nothing is left are forgotten.
    fn settle(&mut self) {
        let Self { pods, etcd, status, .. } = self;
        for cluster in etcd.values_mut() {
            cluster.elect(pods);
        }
        etcd.retain(|seed, cluster| status.served == Some(*seed) || cluster.is_anywhere(pods));
    }

    /// Whether anything says that there may be data.
    pub(crate) fn may_hold_data(&self) -> bool {
        self.status.served.is_some() || self.pods.values().any(|pod| pod.marked)
    }

    /// The cluster that data may be in.
    pub(crate) fn home(&self) -> Option<&Etcd> {
        let marked = self.pods.iter().find(|(_, pod)| pod.marked && pod.role == Role::Seed);
        let seed = self.status.served.or(marked.map(|(&number, _)| number))?;
        self.etcd.get(&seed)
    }
}
