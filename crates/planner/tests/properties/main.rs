//! What must hold of every plan, whatever was wanted and seen.
//!
//! The rules are those of `docs/architecture.md`, Safety rules. They are stated here in terms of
//! what was observed alone, not of the planner's own notions, so that an error in one of those
//! does not hide itself. `PROPTEST_CASES` sets how many cases each is tried with.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod plausible;
mod pods;
mod safety;
mod sight;
mod steps;
mod total;

use proptest::prelude::ProptestConfig;

/// Each rule is tried on this many cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = default.cases.max(3_000);
    // A failure becomes a case of its own in `behaviour`, not a file of seeds.
    ProptestConfig { cases, failure_persistence: None, ..default }
}
