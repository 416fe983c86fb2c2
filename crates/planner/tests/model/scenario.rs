//! Where the model starts and what may go wrong from there.

use std::collections::BTreeMap;

use crate::archive::Archive;
use crate::etcd::Rules;
use crate::fair;
use crate::history::History;
use crate::operator::Operator;
use crate::world::{Budget, Spec, Status, World};

/// A cluster of some size, the sizes that are wanted of it, and faults.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    /// How many members it has when the model starts; 0 when nothing was created yet.
    pub(crate) members: usize,
    /// What is wanted from the start.
    pub(crate) spec: Spec,
    /// The revisions that were stored before, in this order, and whether damaged.
    pub(crate) stored: Vec<(u8, bool)>,
    pub(crate) rules: Rules,
    pub(crate) budget: Budget,
}

/// Members that come and go.
pub(crate) fn chosen() -> Vec<Scenario> {
    if is_thorough() { thorough() } else { usual() }
}

/// Whether `PLANNER_MODEL=thorough` asks for the scenarios that take minutes.
pub(crate) fn is_thorough() -> bool {
    match std::env::var("PLANNER_MODEL").as_deref() {
        Ok("thorough") => true,
        Ok(other) => panic!("PLANNER_MODEL is `{other}`; it can be `thorough` or absent"),
        Err(_) => false,
    }
}

fn usual() -> Vec<Scenario> {
    let none = Budget::default;
    vec![
        // Creation.
        of(0, 2, 1, Budget { wedges: 1, losses: 1, crashes: 1, ..none() }),
        of(0, 1, 1, Budget { looks: 2, crashes: 1, ..none() }),
        of(0, 1, 1, Budget { silences: 1, wipes: 1, ..none() }),
        of(0, 2, 1, Budget { looks: 1, ..none() }),
        // Growth.
        of(1, 3, 1, Budget { losses: 1, crashes: 1, ..none() }),
        of(1, 2, 1, Budget { silences: 1, ..none() }),
        of(1, 3, 2, none()),
        // Less, and back.
        of(3, 2, 1, Budget { losses: 1, looks: 1, ..none() }),
        of(3, 1, 1, Budget { silences: 1, ..none() }),
        of(2, 1, 1, Budget { losses: 1, resizes: vec![3], ..none() }),
        // Healing.
        of(3, 3, 1, Budget { losses: 1, wipes: 1, ..none() }),
        of(3, 3, 1, Budget { silences: 1, losses: 1, ..none() }),
        of(3, 3, 1, Budget { losses: 1, looks: 1, ..none() }),
        // The operator alone.
        lax(1, 3, Budget { losses: 1, misses: 1, ..none() }),
        lax(3, 1, Budget { silences: 1, misses: 1, ..none() }),
        lax(3, 3, Budget { losses: 1, misses: 1, ..none() }),
    ]
}

/// More of everything at once.
fn thorough() -> Vec<Scenario> {
    let none = Budget::default;
    vec![
        of(0, 2, 1, Budget { looks: 2, ..none() }),
        of(0, 1, 1, Budget { looks: 2, losses: 1, wedges: 1, ..none() }),
        of(0, 3, 2, Budget { losses: 1, wedges: 1, silences: 1, ..none() }),
        of(1, 3, 2, Budget { looks: 1, ..none() }),
        of(1, 3, 2, Budget { silences: 1, losses: 1, ..none() }),
        of(1, 3, 1, Budget { looks: 1, losses: 1, ..none() }),
        of(3, 1, 1, Budget { silences: 1, resizes: vec![3], ..none() }),
        of(3, 2, 1, Budget { looks: 1, resizes: vec![3], ..none() }),
        of(3, 3, 1, Budget { silences: 1, looks: 1, ..none() }),
        of(3, 5, 2, Budget { losses: 1, wipes: 1, ..none() }),
        of(5, 3, 1, Budget { losses: 2, ..none() }),
        of(4, 4, 1, Budget { losses: 1, silences: 1, ..none() }),
        lax(5, 3, Budget { silences: 2, ..none() }),
        lax(3, 2, Budget { silences: 1, misses: 1, looks: 1, ..none() }),
    ]
}

fn of(members: usize, wanted: usize, learner_limit: usize, budget: Budget) -> Scenario {
    let rules = Rules { learner_limit, strict: true };
    Scenario { members, spec: spec(wanted), stored: Vec::new(), rules, budget }
}

/// etcd refuses nothing for the quorum's sake.
fn lax(members: usize, wanted: usize, budget: Budget) -> Scenario {
    let rules = Rules { learner_limit: 1, strict: false };
    Scenario { members, spec: spec(wanted), stored: Vec::new(), rules, budget }
}

fn spec(size: usize) -> Spec {
    Spec { size, has_backups: false, is_manual: false, source: None }
}

impl Scenario {
    /// The first state: made by the operator itself when there are members.
    pub(crate) fn start(&self) -> World {
        let mut world = World {
            spec: Spec { size: self.members.max(1), source: None, ..self.spec },
            approved: None,
            status: Status::default(),
            pods: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            etcd: BTreeMap::new(),
            archive: Archive::default(),
            operators: [Operator::Idle, Operator::Idle],
            budget: Budget::default(),
            rules: self.rules,
            late: false,
            history: History::default(),
        };
        if self.members > 0 {
            fair::complete(&mut world);
        }
        for number in world.pods.keys() {
            world.history.make(*number);
        }
        self.back_up(&mut world);
        World { spec: self.spec, budget: self.budget.clone(), late: false, ..world }
    }

    /// Everybody has heard of what was stored.
    fn back_up(&self, world: &mut World) {
        for &(revision, is_damaged) in &self.stored {
            world.archive.store(0, revision, is_damaged);
            world.etcd.values_mut().for_each(|etcd| etcd.reach(revision));
        }
    }
}
