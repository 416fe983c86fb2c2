//! What must hold of every plan, whatever was wanted and seen.
//!
//! The rules are those of `docs/architecture.md`, Safety rules. They are stated here in terms of
//! what was observed alone, not of the planner's own notions, so that an error in one of those
//! does not hide itself.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod losing;
#[cfg(test)]
mod plausible;
mod pods;
mod recovery;
mod safety;
mod saving;
mod sight;
mod steps;
mod total;

use proptest::prelude::ProptestConfig;

/// How many cases each rule is tried on, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 20_000;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if is_set { default.cases } else { CASES };
    // A failure becomes a case of its own in `behaviour`, not a file of seeds.
    ProptestConfig { cases, failure_persistence: None, ..default }
}
