//! Fewer members: who goes, and whose pods go.

use planner::{NodeState, Phase, PodState, Step};

use crate::builder::{FIRST, cluster, id, long_ago, recently, running};

fn removal(number: u32) -> Step {
    Step::RemoveMember { id: id(number), number }
}

#[test]
fn the_follower_of_the_highest_number_goes() {
    assert_eq!(cluster(5).size(3).step(), Some(removal(8)));
    assert_eq!(cluster(5).size(3).leader(8).step(), Some(removal(7)));
    assert_eq!(cluster(2).size(1).leader(5).step(), Some(removal(4)));
    assert_eq!(cluster(5).size(3).phase(), Phase::Scaling);
}

#[test]
fn whoever_is_missed_least_goes_first() {
    let five = || cluster(5).size(4);
    for (crowded, least_missed) in [
        (five().without_pod(5).down(6), 5),
        (five().down(5).answering_on(6, NodeState::Away(recently())), 5),
        (five().terminating(5), 5),
        (five().answering_on(5, NodeState::Away(recently())), 5),
        (five().pod_is(5, PodState::Pending("pulling".into())), 5),
        (five().learner(9), 9),
        (five().learner(9).down(5), 5),
        (five().learner(9).learner(10).down(9).down(5), 9),
        (five().answering_on(5, NodeState::Away(long_ago())).down(6), 6),
        (five().answering_on(5, NodeState::Away(long_ago())), 5),
    ] {
        assert_eq!(crowded.step(), Some(removal(least_missed)), "{crowded:?}");
    }
}

#[test]
fn nobody_goes_below_a_healthy_quorum() {
    for (short, size) in [
        (cluster(3).down(5).down(6), 1),
        (cluster(2).down(5), 1),
        (cluster(5).down(5).down(6).terminating(7), 3),
    ] {
        let message = short.clone().size(size).waits();
        assert!(message.contains("as soon as the others hold a healthy quorum"), "{message}");
    }
}

#[test]
fn the_last_voter_stays() {
    let last = cluster(1).size(0);
    assert_eq!(last.step(), None);
}

#[test]
fn an_unhealthy_leader_hands_over_before_it_goes() {
    let leaving = cluster(5).size(3).leader(6).terminating(6);
    assert_eq!(leaving.step(), Some(Step::MoveLeader { to: id(FIRST), number: FIRST }));
}

#[test]
fn nobody_goes_while_it_is_not_known_who_leads() {
    assert_eq!(cluster(5).size(3).leader_unknown().step(), None);
}

/// A single voter whose node is silent cannot go; the learner beside it can.
#[test]
fn a_voter_that_has_to_stay_does_not_keep_a_learner() {
    let stuck = cluster(1).size(1).answering_on(FIRST, NodeState::Away(long_ago())).learner(5);
    assert_eq!(stuck.step(), Some(removal(5)));
}

#[test]
fn a_removed_member_s_pod_goes_before_the_next_member() {
    let removed = cluster(5).size(3).seed(9, running()).edit_pod(9, |pod| pod.marked = true);
    assert_eq!(removed.step(), Some(Step::DeletePod { number: 9 }));
    let going = removed.terminating(9);
    assert_eq!(going.step(), Some(removal(8)));
}

#[test]
fn no_pod_goes_while_the_members_are_not_seen_to_hold_a_quorum() {
    let doubtful =
        cluster(3).down(5).down(6).seed(9, running()).edit_pod(9, |pod| pod.marked = true);
    assert_eq!(doubtful.step(), None);
}

#[test]
fn a_resize_that_was_taken_back_is_still_scaling_down() {
    let taken_back = cluster(4).edit_record(|record| record.reached_size = 3).size(3);
    assert_eq!(taken_back.phase(), Phase::Scaling);
}
