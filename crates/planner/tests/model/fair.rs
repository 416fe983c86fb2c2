//! Left alone, the cluster becomes what was wanted.
//!
//! From a state, everything that can happen by itself happens, in one order, and nothing more goes
//! wrong. Nodes that are silent stay so as long as that can do without them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use planner::Phase;

use crate::operator::Operator;
use crate::sight::{View, now};
use crate::world::{Action, Budget, History, Node, World};

/// As many steps as a pod takes from its creation to a member that has published its name.
const STAGES: usize = 3;

/// More rounds than any cluster of the model needs.
const ROUNDS: usize = 200;

/// States that are known to lead to what was wanted, by their hash.
#[derive(Default)]
pub(crate) struct Converged {
    known: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Converged {
    /// Whether this state leads to what was wanted, or to waiting for a person because the
    /// environment took the quorum.
    pub(crate) fn from(&self, world: &World) -> bool {
        let mut world = quiet(world);
        let had_quorum = has_quorum(&world);
        let mut passed = Vec::new();
        for _ in 0..ROUNDS {
            let hash = self.hasher.hash_one(&world);
            if self.known.lock().expect("no thread died").contains(&hash) {
                return self.remember(passed);
            }
            passed.push(hash);
            if round(&mut world) {
                continue;
            }
            if is_as_wanted(&world) {
                return self.remember(passed);
            }
            if !let_time_pass(&mut world) && !bring_back(&mut world) {
                // What was lost without a quorum is not remembered: it depends on the start.
                return !had_quorum && waits_for_a_person(&world);
            }
        }
        false
    }

    fn remember(&self, passed: Vec<u64>) -> bool {
        self.known.lock().expect("no thread died").extend(passed);
        true
    }
}

/// The same state with nothing to come and nothing in hand.
fn quiet(world: &World) -> World {
    let mut quiet = world.clone();
    quiet.budget = Budget::default();
    quiet.history = History::default();
    quiet.operators = [Operator::Idle, Operator::Idle];
    for pod in quiet.pods.values_mut() {
        if pod.node != Node::Ready {
            pod.node = Node::Away { long: true };
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

fn bring_back(world: &mut World) -> bool {
    let away = world.pods.values_mut().filter(|pod| pod.node != Node::Ready);
    let mut any = false;
    for pod in away {
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
    etcd.members.len() == world.wanted
        && well
        && etcd.numbers() == numbers
        && staying.into_iter().all(|(_, pod)| pod.marked)
        && phase(world) == Phase::Running
}

fn waits_for_a_person(world: &World) -> bool {
    world.may_hold_data()
        && matches!(phase(world), Phase::NoQuorum | Phase::QuorumLost | Phase::Unrecoverable)
}

fn has_quorum(world: &World) -> bool {
    world.home().is_some_and(|etcd| etcd.has_quorum(&world.pods))
}

fn phase(world: &World) -> Phase {
    let view = View::of(world);
    let from = world.answers(&view).first().copied().flatten();
    planner::plan(&view.desired(), &view.observed(world, from, None), now()).phase
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
