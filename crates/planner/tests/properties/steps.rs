//! What each change of the membership takes for granted.

use planner::{NodeState, PodState, Step};
use proptest::prelude::*;

use crate::arbitrary::sight;
use crate::config;
use crate::sight::majority;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_leader_is_never_removed(sight in sight()) {
        let Some(Step::RemoveMember { id, number }) = sight.step() else { return Ok(()) };
        let members = sight.members().expect("a membership");
        let leaving = sight.member(id).expect("a member is removed");
        prop_assert_eq!(leaving.number, Some(number));
        prop_assert_ne!(members.leader, Some(id));
        prop_assert!(leaving.learner || members.leader.is_some());
    }

    /// Whoever does not answer leaves only while the others can decide without it.
    #[test]
    fn an_unhealthy_voter_leaves_only_while_a_quorum_is_healthy(sight in sight()) {
        let Some(Step::RemoveMember { id, .. }) = sight.step() else { return Ok(()) };
        let leaving = sight.member(id).expect("a member is removed");
        if !leaving.learner && !sight.is_healthy(leaving) {
            prop_assert!(sight.healthy_voters() >= majority(sight.voters().len()));
        }
    }

    #[test]
    fn leadership_goes_to_another_healthy_voter_of_ours(sight in sight()) {
        let Some(Step::MoveLeader { to, number }) = sight.step() else { return Ok(()) };
        let heir = sight.member(to).expect("a member");
        prop_assert_eq!(heir.number, Some(number));
        prop_assert!(!heir.learner && sight.is_healthy(heir));
        prop_assert_ne!(sight.members().expect("a membership").leader, Some(to));
    }

    #[test]
    fn only_a_started_healthy_learner_of_ours_gets_a_vote(sight in sight()) {
        let Some(Step::Promote { id, number }) = sight.step() else { return Ok(()) };
        let learner = sight.member(id).expect("a member");
        prop_assert_eq!(learner.number, Some(number));
        prop_assert!(learner.learner && learner.started && sight.is_healthy(learner));
        prop_assert!(sight.voters().len() < sight.desired.size);
    }

    /// A well voter goes only because it is one too many.
    #[test]
    fn nobody_that_nothing_is_wrong_with_is_replaced(sight in sight()) {
        let Some(Step::RemoveMember { id, .. }) = sight.step() else { return Ok(()) };
        let members = sight.members().expect("a membership");
        let ours = members.members.iter().filter(|member| member.number.is_some()).count();
        let leaving = sight.member(id).expect("a member is removed");
        let runs = sight.pod_of(leaving).is_some_and(|pod| {
            let on_a_node = matches!(pod.node, NodeState::Ready | NodeState::Unknown);
            on_a_node && matches!(pod.state, PodState::Running { .. })
        });
        if ours <= sight.desired.size && leaving.started {
            prop_assert!(!runs, "it runs on a node that is there");
        }
    }

    /// Several kubelets may fall silent for one reason.
    #[test]
    fn one_that_answers_is_replaced_only_when_nobody_is_missing(sight in sight()) {
        let Some(Step::RemoveMember { id, .. }) = sight.step() else { return Ok(()) };
        let members = sight.members().expect("a membership");
        let ours = members.members.iter().filter(|member| member.number.is_some()).count();
        let leaving = sight.member(id).expect("a member is removed");
        if ours <= sight.desired.size && !leaving.learner && sight.is_healthy(leaving) {
            prop_assert!(sight.voters().len() >= sight.desired.size);
        }
    }
}
