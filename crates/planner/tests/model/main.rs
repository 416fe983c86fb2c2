//! The planner in a world that moves while it decides.
//!
//! A model checker walks through everything that can happen to a cluster in a handful of
//! scenarios: pods that start and vanish, nodes that fall silent, an operator that is killed
//! between any two calls, a second one that acts for a moment, and every decision made on what was
//! seen a while ago. The decisions are those of [`planner::plan`] itself; Kubernetes, the kubelets
//! and etcd are imitated, etcd with its own refusals. In every state that is reached the rules
//! hold, and left alone from there the cluster becomes what was wanted.

mod etcd;
mod fair;
mod kubelet;
mod operator;
mod rules;
mod scenario;
mod sight;
mod world;

use stateright::{Checker, Model, Property};

use crate::fair::Converged;
use crate::scenario::Scenario;
use crate::world::{Action, World};

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

/// Checks these scenarios and gives back how many states were reached.
fn check(scenarios: Vec<Scenario>) -> usize {
    let model = Clusters { scenarios, converged: Converged::default() };
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

#[test]
fn each() {
    let limit = if std::env::var("THOROUGH").is_ok() { 3000 } else { 60 };
    let all =
        if std::env::var("THOROUGH").is_ok() { scenario::thorough() } else { scenario::usual() };
    for (i, s) in all.into_iter().enumerate() {
        let t = std::time::Instant::now();
        let name = format!("{s:?}");
        let model = Clusters { scenarios: vec![s], converged: Converged::default() };
        let c = model
            .checker()
            .threads(2)
            .timeout(std::time::Duration::from_secs(limit))
            .spawn_bfs()
            .join();
        println!(
            "{i} {name}: {} states {} unique, depth {}, {:?}",
            c.state_count(),
            c.unique_state_count(),
            c.max_depth(),
            t.elapsed()
        );
        for (n, p) in c.discoveries() {
            let e = c.model().property(n).expectation;
            if e.discovery_is_failure() {
                println!("  FAIL {n}: {:?}", p.last_state());
                for a in p.into_actions() {
                    println!("   - {a:?}");
                }
            }
        }
    }
}
#[test]
fn clusters_keep_the_rules_and_become_what_is_wanted() {
    let states = check(scenario::usual());
    println!("{states} states");
    // So that a model that has lost its moves does not pass for one that holds.
    assert!(states >= 100_000, "only {states} states were reached");
}
