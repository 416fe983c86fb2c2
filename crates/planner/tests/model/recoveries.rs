//! Losses of the quorum, where the model starts and what goes wrong from there.

use crate::etcd::Rules;
use crate::scenario::{Scenario, is_thorough};
use crate::world::{Budget, Source, Spec};

pub(crate) fn chosen() -> Vec<Scenario> {
    if is_thorough() { thorough() } else { usual() }
}

fn usual() -> Vec<Scenario> {
    let none = Budget::default;
    let lost = |losses| Budget { losses, ..none() };
    vec![
        // A survivor, or none.
        of(1, 1, &[(1, false)], Budget { crashes: 1, ..lost(1) }),
        of(3, 1, &[(1, false)], Budget { crashes: 1, ..lost(3) }),
        of(2, 2, &[(1, false)], Budget { wipes: 1, crashes: 1, ..lost(1) }),
        // Different data.
        of(3, 3, &[], Budget { writes: 1, ..lost(2) }),
        of(2, 1, &[], Budget { writes: 1, backups: 1, ..lost(2) }),
        of(4, 1, &[], Budget { writes: 1, ..lost(2) }),
        // Nodes that are away.
        of(3, 2, &[(1, false)], Budget { silences: 1, ..lost(1) }),
        of(2, 2, &[(1, false)], Budget { silences: 1, ..lost(1) }),
        // Stale looks.
        of(2, 1, &[(1, false)], Budget { looks: 1, ..lost(1) }),
        of(1, 1, &[(1, false)], Budget { wipes: 1, looks: 1, ..lost(1) }),
        // The sidecar and its archive.
        of(2, 2, &[(1, false)], Budget { failures: 1, restarts: 1, ..lost(2) }),
        of(1, 1, &[(1, true), (2, false), (2, true)], Budget { misses: 1, ..lost(2) }),
        of(2, 2, &[(1, false), (2, true)], Budget { damages: 1, ..lost(2) }),
        of(2, 1, &[], Budget { prunes: 1, ..lost(1) }),
        // While it grows.
        of(1, 2, &[(1, false)], lost(2)),
        // A person approves.
        manual(2, Budget { approvals: 2, ..lost(2) }),
        manual(1, Budget { approvals: 1, looks: 1, ..lost(1) }),
        // A person asks for another cluster's data.
        restored(Source::Sound, Budget { wipes: 1, losses: 1, crashes: 1, ..none() }),
        restored(Source::Sound, Budget { losses: 1, looks: 1, ..none() }),
        restored(Source::Sound, Budget { backups: 1, ..lost(2) }),
        restored(Source::Damaged, Budget { losses: 1, crashes: 1, ..none() }),
    ]
}

/// More of everything at once.
fn thorough() -> Vec<Scenario> {
    let none = Budget::default;
    let lost = |losses| Budget { losses, ..none() };
    vec![
        of(3, 3, &[(1, false)], Budget { crashes: 1, ..lost(3) }),
        of(3, 3, &[(1, false)], Budget { silences: 1, ..lost(2) }),
        of(2, 2, &[(1, false)], Budget { silences: 1, writes: 1, ..lost(2) }),
        of(2, 2, &[(1, false)], Budget { looks: 1, crashes: 1, ..lost(2) }),
        of(2, 2, &[], Budget { writes: 2, backups: 1, damages: 1, ..lost(2) }),
        of(1, 3, &[(1, false)], Budget { silences: 1, ..lost(2) }),
        of(1, 3, &[(1, false)], lost(3)),
        manual(3, Budget { approvals: 2, silences: 1, ..lost(3) }),
        restored(Source::Sound, Budget { wipes: 1, losses: 1, crashes: 1, looks: 1, ..none() }),
    ]
}

fn of(members: usize, wanted: usize, stored: &[(u8, bool)], budget: Budget) -> Scenario {
    let spec = Spec { size: wanted, has_backups: true, is_manual: false, source: None };
    let rules = Rules { learner_limit: 1, strict: true };
    Scenario { members, spec, stored: stored.to_vec(), rules, budget }
}

fn manual(members: usize, budget: Budget) -> Scenario {
    let scenario = of(members, members, &[(1, false)], budget);
    Scenario { spec: Spec { is_manual: true, ..scenario.spec }, ..scenario }
}

fn restored(source: Source, budget: Budget) -> Scenario {
    let scenario = of(0, 1, &[], budget);
    Scenario { spec: Spec { source: Some(source), ..scenario.spec }, ..scenario }
}
