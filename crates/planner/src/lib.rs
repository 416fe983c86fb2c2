//! What an etcd cluster needs next, decided purely.
//!
//! [`plan`] is a total, synchronous function of what is wanted, what was seen and the time. It has
//! no client, no clock and no randomness, so the property tests and the model in `tests/` check
//! the very function that the operator runs. It keeps the safety rules of `docs/architecture.md`:
//! a plan holds at most one step, a membership change is planned only from a linearizable
//! membership, and nothing that may be the last copy of data is deleted.
//!
//! Members are known here by their number alone: `<cluster>-0007` is `7`. Names, URLs and pod
//! identities are made from it by whoever acts.

mod archive;
mod bootstrap;
mod clearing;
mod desired;
mod doubt;
mod flawed;
mod grow;
mod locked;
mod loss;
mod lost;
pub mod name;
mod observed;
mod plan;
mod record;
mod recovery;
mod refusal;
mod replace;
mod restore;
mod saving;
mod shrink;
mod steady;
mod verdict;
pub mod version;
mod view;

pub use archive::{Archive, BackupRef, Flawed, Order, Source};
pub use desired::{APPROVAL, Desired, QuorumLoss};
pub use loss::{approval, is_all_lost};
pub use observed::{Member, Members, Membership, NodeState, Observed, Pod, PodState, Role};
pub use plan::{Phase, Plan, Recheck, Step};
pub use record::{Cause, LastSeen, Record, RestoreRecord, Stage};

use jiff::Timestamp;

/// Decides the next step for one cluster, or why it waits.
///
/// Never fails: an unclear or contradictory observation leads to waiting, never to a change.
pub fn plan(desired: &Desired, observed: &Observed, now: Timestamp) -> Plan {
    if desired.paused {
        return Plan::wait(
            Phase::Paused,
            Recheck::AtRest,
            "paused: nothing is changed until spec.paused is false",
        );
    }
    if let Some(restore) = &observed.record.restore {
        return restore::plan(desired, observed, restore, now);
    }
    match (observed.believed(), observed.has_served()) {
        (_, false) if desired.from_backup => restore::begin(observed),
        (Ok(members), false) => bootstrap::serves(desired, observed, members),
        (Err(_), false) => bootstrap::plan(desired, observed, now),
        (Ok(members), true) => steady::plan(desired, observed, members, now),
        (Err(why), true) => lost::plan(desired, observed, &why),
    }
}

/// How many of `voters` members must agree.
pub fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::quorum;

    #[test]
    fn quorum_is_a_majority() {
        let got: Vec<usize> = (1..=7).map(quorum).collect();
        assert_eq!(got, [1, 2, 2, 3, 3, 4, 4]);
    }
}
