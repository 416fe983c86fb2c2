//! The planner in a world that moves while it decides.
//!
//! A model checker walks through everything that can happen to a cluster in a handful of
//! scenarios: pods that start and vanish, nodes that fall silent, an operator that is killed
//! between any two calls, a second one that acts for a moment, and every decision made on what was
//! seen a while ago. The decisions are those of [`planner::plan`] itself; Kubernetes, the kubelets
//! and etcd are imitated, etcd with its own refusals. In every state that is reached the rules
//! hold, and left alone from there the cluster becomes what was wanted.

#[cfg(test)]
mod etcd;
#[cfg(test)]
mod fair;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod world;

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::fair::Converged;
use crate::scenario::Scenario;
use crate::world::{Action, World};

/// So that a model that has lost its moves does not pass for one that holds.
const FEWEST_STATES: usize = 400_000;

/// The scenarios, and the states that are known to lead to what was wanted.
struct Clusters {
    scenarios: Vec<Scenario>,
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
        rules::all()
    }
}

#[test]
fn clusters_keep_the_rules_and_become_what_is_wanted() {
    let scenarios = scenario::chosen();
    let model = Clusters { scenarios, converged: Converged::default() };
    let checker =
        model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states >= FEWEST_STATES, "only {states} states were reached");
}
