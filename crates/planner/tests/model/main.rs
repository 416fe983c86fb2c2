//! The planner in a world that moves while it decides.
//!
//! A model checker walks through everything that can happen to a cluster in a handful of
//! scenarios: pods that start and vanish, nodes that fall silent, an operator that is killed
//! between any two calls, a second one that acts for a moment, and every decision made on what was
//! seen a while ago. The decisions are those of [`planner::plan`] itself; Kubernetes, the kubelets
//! and etcd are imitated, etcd with its own refusals. In every state that is reached the rules
//! hold, and left alone from there the cluster becomes what was wanted.

#[cfg(test)]
mod action;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod etcd;
#[cfg(test)]
mod fair;
#[cfg(test)]
mod history;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod recoveries;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod world;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::action::Action;
use crate::fair::Converged;
use crate::scenario::Scenario;
use crate::world::World;

/// The scenarios, what must happen in them, and what states are known to lead to.
struct Clusters {
    scenarios: Vec<Scenario>,
    reached: fn() -> Vec<Property<Self>>,
    converged: Converged,
}

impl Model for Clusters {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.scenarios.iter().map(Scenario::start).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.take(&action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        [rules::safety(), (self.reached)()].concat()
    }
}

/// The fewest states make sure that a model that has lost its moves does not pass for one that holds.
fn check(scenarios: Vec<Scenario>, reached: fn() -> Vec<Property<Clusters>>, fewest: usize) {
    let model = Clusters { scenarios, reached, converged: Converged::default() };
    let checker =
        model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!("{states} states, {} deep", checker.max_depth());
    checker.assert_properties();
    assert!(states >= fewest, "only {states} states were reached");
}

#[test]
fn clusters_keep_the_rules_and_become_what_is_wanted() {
    let reached = if scenario::is_thorough() { rules::of_many_members } else { rules::of_members };
    check(scenario::chosen(), reached, 200_000);
}

#[test]
fn lost_clusters_come_back_with_what_was_left_or_say_that_nothing_was() {
    check(recoveries::chosen(), rules::of_recoveries, 400_000);
}
