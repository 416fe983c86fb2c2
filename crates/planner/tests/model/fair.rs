//! Left alone, the cluster becomes what was wanted.
//!
//! From a state, everything that can happen by itself happens, in one order, and nothing more goes
//! wrong. Nodes that are silent stay so as long as that can do without them. A person approves what
//! is waited for, and does nothing else.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use planner::{Phase, Plan};

use crate::action::Action;
use crate::archive::Work;
use crate::history::History;
use crate::operator::Operator;
use crate::sight::{View, now};
use crate::waiting;
use crate::world::{Budget, Node, World};

/// As many steps as a pod takes from its creation to a member that has published its name.
const STAGES: usize = 3;

/// More rounds than any cluster of the model needs.
const ROUNDS: usize = 200;

/// What states are known to lead to, by their hash.
#[derive(Default)]
pub(crate) struct Converged {
    known: Mutex<HashMap<u64, End>>,
    hasher: RandomState,
}

/// What becomes of a cluster that is left alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Wanted,
    /// A person is waited for, and rightly so once the environment took the quorum.
    Waiting,
    Stuck,
}

impl Converged {
    /// Whether this state leads to what was wanted, or to waiting for a person because the
    /// environment took the quorum.
    pub(crate) fn from(&self, world: &World) -> bool {
        let world = quiet(world);
        let had_quorum = world.home().is_some_and(|etcd| etcd.has_quorum(&world.pods));
        match self.end(world) {
            End::Wanted => true,
            End::Waiting => !had_quorum,
            End::Stuck => false,
        }
    }

    fn end(&self, mut world: World) -> End {
        let mut passed = Vec::new();
        for _ in 0..ROUNDS {
            let hash = self.hasher.hash_one(&world);
            let known = self.known.lock().expect("no thread died").get(&hash).copied();
            if let Some(end) = known {
                return self.remember(passed, end);
            }
            passed.push(hash);
            if round(&mut world) {
                continue;
            }
            if is_as_wanted(&world) {
                return self.remember(passed, End::Wanted);
            }
            if !let_time_pass(&mut world) && !bring_back(&mut world) {
                let waits = waiting::is_right(&world, &plan(&world));
                return self.remember(passed, if waits { End::Waiting } else { End::Stuck });
            }
        }
        End::Stuck
    }

    fn remember(&self, passed: Vec<u64>, end: End) -> End {
        let all = passed.into_iter().map(|hash| (hash, end));
        self.known.lock().expect("no thread died").extend(all);
        end
    }
}

/// The same state with nothing to come and nothing in hand.
fn quiet(world: &World) -> World {
    let mut quiet = world.clone();
    quiet.budget = Budget::default();
    quiet.history = History::default();
    quiet.operators = [Operator::Idle, Operator::Idle];
    let nodes = quiet.pods.values_mut().map(|pod| &mut pod.node).chain(quiet.ghosts.values_mut());
    for node in nodes {
        if matches!(node, Node::Away { .. }) {
            *node = Node::Away { long: true };
        }
    }
    quiet
}

/// Lets the kubelets do all they can and the operator one step; whether anything changed.
fn round(world: &mut World) -> bool {
    let before = world.clone();
    let numbers: Vec<u32> = world.pods.keys().copied().collect();
    for number in numbers {
        for _ in 0..STAGES {
            world.take(&Action::Progress(number));
        }
    }
    for index in 0..world.archive.orders.len() {
        for work in [Work::Read, Work::Store { is_damaged: false }] {
            world.take(&Action::Work(index, work));
        }
    }
    if world.spec.is_manual {
        world.approved = world.approval();
    }
    reconcile(world);
    world.history = History::default();
    *world != before
}

fn reconcile(world: &mut World) {
    world.take(&Action::Look(0));
    let Operator::Looked(view, _) = &world.operators[0] else { return };
    let from = world.answers(view).first().copied().flatten();
    world.take(&Action::Decide { operator: 0, from, missed: None });
    while world.operators[0] != Operator::Idle {
        world.take(&Action::Act(0));
    }
}

fn let_time_pass(world: &mut World) -> bool {
    !std::mem::replace(&mut world.late, true)
}

/// Nodes come back, and what ran on them without a pod ends.
fn bring_back(world: &mut World) -> bool {
    let is_away = |node: Node| matches!(node, Node::Away { .. });
    let mut any = !world.ghosts.is_empty();
    world.ghosts.clear();
    for pod in world.pods.values_mut().filter(|pod| is_away(pod.node)) {
        pod.node = Node::Ready;
        any = true;
    }
    any
}

/// The wanted number of voters, every one alive and marked, and nothing beside them.
fn is_as_wanted(world: &World) -> bool {
    let Some(etcd) = world.status.served.and_then(|seed| world.etcd.get(&seed)) else {
        return false;
    };
    let alive = |number| crate::etcd::is_alive(&world.pods, number);
    let well = etcd.members.iter().all(|m| m.started && !m.learner && alive(m.number));
    let staying = world.pods.iter().filter(|(_, pod)| !pod.terminating);
    let numbers = staying.clone().map(|(&number, _)| number).collect();
    etcd.members.len() == world.spec.size
        && well
        && etcd.numbers() == numbers
        && staying.into_iter().all(|(_, pod)| pod.marked && pod.admitted)
        && world.status.restore.is_none()
        && plan(world).phase == Phase::Running
}

fn plan(world: &World) -> Plan {
    let view = View::of(world);
    let from = world.answers(&view).first().copied().flatten();
    planner::plan(&view.desired(), &view.observed(world, from, None), now())
}

/// Lets everything happen until the cluster is as wanted.
pub(crate) fn complete(world: &mut World) {
    for _ in 0..ROUNDS {
        if !round(world) && !let_time_pass(world) {
            break;
        }
    }
    assert!(is_as_wanted(world), "it does not become what is wanted: {world:#?}");
}
