//! The safety rules.

use planner::{Phase, Step};
use proptest::prelude::*;

use crate::arbitrary::sight;
use crate::config;
use crate::sight::{Sight, majority};

/// How many voters there are and how many of them are healthy after the step.
fn voters_after(sight: &Sight, step: &Step) -> Option<(usize, usize)> {
    let (voters, healthy) = (sight.voters().len(), sight.healthy_voters());
    match step {
        Step::RemoveMember { id, .. } => {
            let gone = sight.member(*id).filter(|member| !member.learner)?;
            Some((voters - 1, healthy - usize::from(sight.is_healthy(gone))))
        }
        Step::Promote { id, .. } => {
            let new = sight.member(*id)?;
            Some((voters + 1, healthy + usize::from(sight.is_healthy(new))))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(config())]

    /// Rule 1.
    #[test]
    fn no_step_leaves_less_than_a_healthy_quorum(sight in sight()) {
        if let Some((voters, healthy)) = sight.step().and_then(|step| voters_after(&sight, &step)) {
            prop_assert!(healthy >= majority(voters), "{healthy} of {voters} would be healthy");
        }
    }

    /// Rule 2, for those that leave.
    #[test]
    fn no_healthy_voter_leaves_while_another_of_ours_is_not(sight in sight()) {
        let Some(Step::RemoveMember { id, .. }) = sight.step() else { return Ok(()) };
        let leaving = sight.member(id).expect("a member is removed");
        if !leaving.learner && sight.is_healthy(leaving) {
            let ours = sight.voters().into_iter().filter(|voter| voter.number.is_some());
            prop_assert!(ours.into_iter().all(|voter| sight.is_healthy(voter)));
        }
    }

    /// Rule 2, for those that join.
    #[test]
    fn nobody_joins_beside_one_that_has_not_started(sight in sight()) {
        if let Some(Step::AddLearner { .. }) = sight.step() {
            let members = sight.members().expect("a membership");
            let learners = members.members.iter().filter(|member| member.learner).count();
            prop_assert!(members.members.iter().all(|member| member.started));
            prop_assert!(learners < members.learner_limit);
        }
    }

    /// Rule 3.
    #[test]
    fn nothing_that_may_be_the_last_copy_is_deleted(sight in sight()) {
        let Some(Step::DeletePod { number }) = sight.step() else { return Ok(()) };
        // While something is restored the rules are those in `recovery`.
        if sight.may_hold_data() && sight.observed.record.restore.is_none() {
            let members = sight.members().expect("a membership, since there may be data");
            prop_assert!(!members.numbers().contains(&number), "a member's pod");
            let voters = sight.voters().len();
            prop_assert!(voters > 0 && sight.healthy_voters() >= majority(voters));
            prop_assert_eq!(sight.observed.record.cluster_id, Some(members.cluster_id));
        }
    }

    /// Rule 3, for a new first member.
    #[test]
    fn a_cluster_is_seeded_only_if_it_never_was(sight in sight()) {
        if let Some(Step::CreateSeed { restore: None, .. }) = sight.step() {
            prop_assert!(!sight.may_hold_data() && !sight.desired.from_backup);
            prop_assert_eq!(&sight.observed.record.restore, &None);
            prop_assert!(sight.observed.pods.values().all(|pod| pod.terminating));
        }
    }

    /// Rules 3 and 7.
    #[test]
    fn the_membership_is_left_alone_without_a_quorum(sight in sight()) {
        if sight.members().is_none() && sight.may_hold_data() {
            prop_assert!(!sight.step().is_some_and(|step| step.changes_membership()));
        }
    }

    /// Rule 7.
    #[test]
    fn the_membership_changes_only_on_its_own_word(sight in sight()) {
        let Some(step) = sight.step() else { return Ok(()) };
        if step.changes_membership() || matches!(step, Step::MoveLeader { .. }) {
            let members = sight.members().expect("a linearizable membership");
            prop_assert_eq!(sight.observed.record.cluster_id, Some(members.cluster_id));
            prop_assert!(sight.observed.record.served);
        }
    }

    /// Rule 8: there is no memory.
    #[test]
    fn the_same_sight_gives_the_same_plan(sight in sight(), between in sight()) {
        let first = sight.plan();
        let _ = between.plan();
        prop_assert_eq!(first, sight.plan());
    }

    /// Rule 10.
    #[test]
    fn nothing_is_done_while_paused(mut sight in sight()) {
        sight.desired.paused = true;
        let plan = sight.plan();
        prop_assert_eq!((plan.step, plan.phase), (None, Phase::Paused));
    }
}
