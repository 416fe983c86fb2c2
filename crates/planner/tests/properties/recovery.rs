//! The rules of a recovery and of a restore.

use std::collections::BTreeSet;

use planner::{
    Archive, BackupRef, Cause, Flawed, Membership, NodeState, QuorumLoss, RestoreRecord, Role,
    Source, Stage, Step,
};
use proptest::prelude::*;

use crate::arbitrary::sight;
use crate::config;
use crate::losing::{gone, losing};
use crate::sight::{Sight, majority};

fn any_sight() -> impl Strategy<Value = Sight> {
    prop_oneof![3 => losing(), 1 => sight()]
}

fn voters(sight: &Sight) -> BTreeSet<u32> {
    let members = sight.observed.record.members.iter();
    members.filter(|(_, seen)| seen.voter).map(|(number, _)| *number).collect()
}

/// Rule 4, by counting.
fn is_lost(sight: &Sight) -> bool {
    let (voters, gone) = (voters(sight), gone(sight));
    !voters.is_empty() && voters.difference(&gone).count() < majority(voters.len())
}

/// A recovery that the record does not know yet.
fn begun(sight: &Sight) -> Option<RestoreRecord> {
    let Some(Step::RecordRestore(restore)) = sight.step() else { return None };
    let Cause::Recovery(attempt) = restore.cause else { return None };
    (attempt > sight.observed.record.recoveries).then_some(restore)
}

/// What it began with: of any use only while nothing of its own is stored.
fn is_origin(sight: &Sight, backup: &BackupRef) -> bool {
    let known =
        matches!(&sight.observed.archive, Archive::Known { backups, .. } if backups.is_empty());
    let found = matches!(&sight.observed.source, Source::Found { backup: it, .. } if it == backup);
    known && found && sight.desired.from_backup
}

fn listed(sight: &Sight) -> &[BackupRef] {
    match &sight.observed.archive {
        Archive::Known { backups, .. } => backups,
        _ => &[],
    }
}

/// Those with a higher revision that are listed and cannot be restored.
fn newer_flaws<'a>(sight: &'a Sight, than: &'a BackupRef) -> impl Iterator<Item = &'a Flawed> {
    let flawed = match &sight.observed.archive {
        Archive::Known { flawed, .. } => flawed.as_slice(),
        _ => &[],
    };
    flawed.iter().filter(|one| one.revision > than.revision)
}

/// Pods and members that may hold data, from before this restore.
fn survivors(sight: &Sight) -> BTreeSet<u32> {
    let first = sight.first();
    let pods = &sight.observed.pods;
    let gone = gone(sight);
    let has_run =
        |number: &u32, voter| voter || !pods.contains_key(number) || sight.holds_data(*number);
    let recorded = sight.observed.record.members.iter().filter_map(|(number, seen)| {
        (!gone.contains(number) && has_run(number, seen.voter)).then_some(*number)
    });
    let others = pods.keys().copied().filter(|number| *number < first && sight.holds_data(*number));
    recorded.chain(others).collect()
}

proptest! {
    #![proptest_config(config())]

    /// Rule 4.
    #[test]
    fn no_recovery_begins_without_evidence(sight in any_sight()) {
        if begun(&sight).is_some() {
            prop_assert!(is_lost(&sight));
            prop_assert!(sight.observed.believed().is_err(), "a quorum answers");
        }
    }

    /// Rule 4: a pod that vanished from a node that nobody can read proves nothing by itself.
    #[test]
    fn a_recovery_that_needs_a_person_begins_only_with_the_approval_of_this_loss(
        sight in any_sight()
    ) {
        if begun(&sight).is_none() {
            return Ok(());
        }
        let record = &sight.observed.record;
        let unreadable = voters(&sight).iter().any(|number| {
            record.members[number].node == NodeState::Unknown
                && !sight.observed.pods.contains_key(number)
        });
        if sight.desired.quorum_loss == QuorumLoss::Manual || unreadable {
            let lost: BTreeSet<u32> = voters(&sight).intersection(&gone(&sight)).copied().collect();
            let names: Vec<String> =
                lost.iter().map(|number| sight.desired.cluster.member(*number)).collect();
            prop_assert_eq!(sight.desired.approved.clone(), Some(names.join(",")));
        }
    }

    /// Rule 5: of those that tell the one that holds most; nothing is restored in their place.
    #[test]
    fn the_fullest_survivor_is_saved(sight in any_sight()) {
        let Some(restore) = begun(&sight) else { return Ok(()) };
        let left = survivors(&sight);
        let told: Vec<i64> = left
            .iter()
            .filter_map(|number| sight.observed.stranded.get(number).copied())
            .collect();
        match restore.stage {
            Stage::Saving { survivor, .. } => {
                prop_assert!(left.contains(&survivor));
                prop_assert_eq!(Some(&sight.observed.stranded[&survivor]), told.iter().max());
            }
            Stage::Restoring { backup, saved } => {
                prop_assert!(left.is_empty() && saved.is_none());
                prop_assert!(listed(&sight).contains(&backup) || is_origin(&sight, &backup));
            }
        }
    }

    /// Rule 5.
    #[test]
    fn no_survivor_goes_before_the_archive_holds_all_of_it(sight in any_sight()) {
        let Some(Step::DeletePod { number }) = sight.step() else { return Ok(()) };
        let Some(restore) = &sight.observed.record.restore else { return Ok(()) };
        if number >= restore.first || !survivors(&sight).contains(&number) {
            return Ok(());
        }
        if restore.cause == Cause::Manual {
            prop_assert!(!sight.observed.pods[&number].marked);
            return Ok(());
        }
        let Stage::Restoring { saved: Some(saved), .. } = &restore.stage else {
            return Err(TestCaseError::fail("nothing was saved"));
        };
        prop_assert!(is_lost(&sight), "no evidence");
        prop_assert!(listed(&sight).contains(saved), "not in the archive");
        prop_assert!(sight.observed.stranded[&number] <= saved.revision);
    }

    /// Rules 5 and 6: which backup is restored, and which follows one that is refused.
    #[test]
    fn nothing_older_than_what_a_survivor_held_is_restored(sight in any_sight()) {
        let Some(Step::RecordRestore(restore)) = sight.step() else { return Ok(()) };
        let Stage::Restoring { backup, saved } = &restore.stage else { return Ok(()) };
        let is_refused = |backup: &BackupRef| restore.refused.contains(&backup.id);
        // Once all were refused, the newest of all is tried again.
        let is_again = listed(&sight).iter().all(is_refused);
        prop_assert!(!is_refused(backup) || is_again || restore.cause == Cause::Manual);
        let known = sight.observed.record.cluster_id;
        match saved {
            Some(saved) if saved != backup => {
                prop_assert!(known.is_some() && backup.cluster_id == known);
                prop_assert!(backup.revision >= saved.revision);
            }
            None if is_origin(&sight, backup) => {}
            None if restore.cause != Cause::Manual => {
                let usable = listed(&sight).iter().filter(|b| is_again || !is_refused(b));
                prop_assert_eq!(usable.map(|b| b.revision).max(), Some(backup.revision));
                prop_assert!(newer_flaws(&sight, backup).all(|flawed| !flawed.is_unread));
                let message = sight.plan().message;
                let is_named = |flawed: &Flawed| message.contains(&flawed.id);
                prop_assert!(is_again || newer_flaws(&sight, backup).all(is_named), "{}", message);
            }
            _ => {}
        }
        // What was saved is not forgotten as long as the recovery is the same.
        let before = sight.observed.record.restore.as_ref().filter(|b| b.cause == restore.cause);
        if let Some(Stage::Restoring { saved: before, .. }) = before.map(|before| &before.stage) {
            prop_assert_eq!(before, saved);
        }
    }

    /// Rule 6.
    #[test]
    fn a_first_member_is_made_from_the_backup_that_is_recorded(sight in any_sight()) {
        let Some(Step::CreateSeed { restore: Some(from), .. }) = sight.step() else { return Ok(()) };
        let restore = sight.observed.record.restore.clone().expect("recorded first");
        let Stage::Restoring { backup, .. } = restore.stage else {
            return Err(TestCaseError::fail("nothing is chosen yet"));
        };
        prop_assert_eq!(from, backup);
        let pods = &sight.observed.pods;
        prop_assert!(pods.values().all(|pod| pod.terminating || pod.marked && restore.cause == Cause::Manual));
        if restore.cause != Cause::Manual {
            prop_assert!(survivors(&sight).is_empty(), "{:?} may run", survivors(&sight));
            prop_assert!(is_lost(&sight));
        }
    }

    /// What is restored is never taken for what was lost, nor the other way round.
    #[test]
    fn a_restore_ends_only_with_its_own_first_member(sight in any_sight()) {
        let Some(Step::FinishRestore { cluster_id, number }) = sight.step() else { return Ok(()) };
        let restore = sight.observed.record.restore.clone().expect("recorded first");
        let members = sight.members().expect("a membership");
        prop_assert_eq!(members.cluster_id, cluster_id);
        prop_assert_ne!(sight.observed.record.cluster_id, Some(cluster_id));
        prop_assert!(members.numbers().iter().all(|number| *number >= restore.first));
        let pod = &sight.observed.pods[&number];
        let Stage::Restoring { backup, .. } = restore.stage else { panic!("nothing is chosen") };
        prop_assert_eq!(&pod.role, &Role::Restored(backup.id));
        prop_assert!(pod.marked && !pod.terminating);
    }

    /// Rule 7: only the quorum itself.
    #[test]
    fn a_recovery_is_called_off_only_by_the_quorum_itself(sight in any_sight()) {
        if sight.step() != Some(Step::AbortRecovery) {
            return Ok(());
        }
        let restore = sight.observed.record.restore.clone().expect("a recovery");
        prop_assert!(restore.cause != Cause::Manual);
        let members = sight.observed.believed().expect("a quorum that answers");
        prop_assert!(members.numbers().iter().any(|number| *number < restore.first));
    }

    /// The same order is never meant for two snapshots.
    #[test]
    fn what_is_recorded_anew_bears_a_new_number(sight in any_sight()) {
        let Some(Step::RecordRestore(restore)) = sight.step() else { return Ok(()) };
        let mut after = sight.observed.record.clone();
        after.restore = Some(restore.clone());
        if let Some(id) = after.order_id() {
            prop_assert_ne!(Some(id), sight.observed.record.order_id());
        }
        let before = sight.observed.record.restore.as_ref();
        if before.is_none_or(|before| before.cause != restore.cause) {
            prop_assert!(sight.used().iter().all(|used| *used < restore.first));
            prop_assert!(restore.first >= sight.observed.record.next_number);
        }
    }

    /// Only orders of the recovery that is recorded, and only while nothing was deleted for it.
    #[test]
    fn only_the_recorded_survivor_is_ordered(sight in any_sight()) {
        let Some(Step::OrderSnapshot { number, id }) = sight.step() else { return Ok(()) };
        prop_assert_eq!(sight.observed.record.order_id(), Some(id));
        let stage = sight.observed.record.restore.clone().map(|restore| restore.stage);
        let is_saved = matches!(stage, Some(Stage::Saving { survivor, .. }) if survivor == number);
        prop_assert!(is_saved);
    }

    /// Rule 3: without a restore in the record nothing is done for one.
    #[test]
    fn what_a_restore_does_is_recorded_first(sight in any_sight()) {
        if sight.observed.record.restore.is_some() {
            return Ok(());
        }
        let step = sight.step();
        let is_of_a_restore = matches!(
            step,
            Some(
                Step::CreateSeed { restore: Some(_), .. }
                    | Step::OrderSnapshot { .. }
                    | Step::FinishRestore { .. }
                    | Step::AbortRecovery
            )
        );
        prop_assert!(!is_of_a_restore);
        // A cluster that lost its quorum is only written about.
        if sight.may_hold_data() && sight.observed.membership == Membership::Unknown {
            let is_written = matches!(step, None | Some(Step::RecordRestore(_)));
            prop_assert!(is_written);
        }
    }
}
