//! Members that do not come back.

use planner::{Membership, NodeState, Phase, PodState, Step};

use crate::builder::{FIRST, cluster, id, long_ago, recently};

const SECOND: u32 = FIRST + 1;
const THIRD: u32 = FIRST + 2;

fn removal(number: u32) -> Step {
    Step::RemoveMember { id: id(number), number }
}

#[test]
fn a_member_whose_pod_and_data_are_gone_is_removed_at_once() {
    let gone = cluster(3).without_pod(THIRD);
    assert_eq!(gone.step(), Some(removal(THIRD)));
    assert_eq!(gone.phase(), Phase::Healing);
}

#[test]
fn a_member_whose_node_is_gone_is_removed_at_once() {
    assert_eq!(cluster(3).node_is(THIRD, NodeState::Gone).step(), Some(removal(THIRD)));
}

#[test]
fn a_member_whose_guard_misses_its_data_is_removed_at_once() {
    assert_eq!(cluster(3).pod_is(THIRD, PodState::DataLost).step(), Some(removal(THIRD)));
}

#[test]
fn a_member_whose_labels_were_changed_is_named_and_never_replaced() {
    let relabelled = cluster(3).edit_pod(THIRD, |pod| pod.state = PodState::Unlabelled);
    for cluster in [relabelled.clone(), relabelled.down(THIRD)] {
        let message = cluster.waits();
        assert!(message.contains("orders-0006: its pod's labels app, etcd_cluster"), "{message}");
        assert_eq!(cluster.phase(), Phase::Healing);
    }
}

#[test]
fn the_first_member_of_all_is_no_exception() {
    let wiped = cluster(3).leader(SECOND).pod_is(FIRST, PodState::DataLost);
    assert_eq!(wiped.step(), Some(removal(FIRST)));
}

#[test]
fn a_member_that_ails_is_removed_when_its_time_is_over() {
    for (ailing, well_known) in [
        (cluster(3).pod_is(THIRD, PodState::Failed(recently())), "its pod failed"),
        (cluster(3).pod_is(THIRD, PodState::CrashLooping(recently())), "it crash-loops"),
        (cluster(3).node_is(THIRD, NodeState::Away(recently())), "its node is not ready"),
        (
            cluster(3).node_is(THIRD, NodeState::Away(recently())).without_pod(THIRD),
            "its pod is gone, but",
        ),
    ] {
        let message = ailing.waits();
        assert!(message.contains(well_known) && message.contains("it is replaced at"), "{message}");
    }
    for overdue in [
        cluster(3).pod_is(THIRD, PodState::Failed(long_ago())),
        cluster(3).pod_is(THIRD, PodState::CrashLooping(long_ago())),
        cluster(3).node_is(THIRD, NodeState::Away(long_ago())),
        cluster(3).node_is(THIRD, NodeState::Away(long_ago())).without_pod(THIRD),
    ] {
        assert_eq!(overdue.step(), Some(removal(THIRD)), "{overdue:?}");
    }
}

#[test]
fn what_kubernetes_is_at_work_on_is_waited_for() {
    for waiting in [
        cluster(3).down(THIRD),
        cluster(3).down(THIRD).terminating(THIRD),
        cluster(3).terminating(THIRD),
        cluster(3).pod_is(THIRD, PodState::Gated),
        cluster(3).pod_is(THIRD, PodState::Pending("pulling".into())),
    ] {
        assert!(waiting.waits().contains("orders-0006"), "{waiting:?}");
    }
}

#[test]
fn nobody_is_replaced_without_a_healthy_quorum_of_the_others() {
    for short in [
        cluster(3).without_pod(THIRD).down(SECOND),
        cluster(3).without_pod(THIRD).terminating(SECOND),
        cluster(2).without_pod(SECOND),
        cluster(5).without_pod(THIRD).down(7).down(8),
        cluster(1).node_is(FIRST, NodeState::Away(long_ago())),
    ] {
        assert_eq!(short.step(), None, "{short:?}");
    }
}

#[test]
fn several_go_one_after_the_other_while_a_quorum_is_left() {
    let two_gone = cluster(5).without_pod(THIRD).without_pod(8);
    assert_eq!(two_gone.step(), Some(removal(THIRD)));
    let one_left = cluster(4).size(5).without_pod(THIRD);
    assert_eq!(one_left.step(), Some(removal(THIRD)));
}

#[test]
fn the_lost_go_before_a_new_member_is_prepared() {
    let growing = cluster(3).size(5).without_pod(THIRD);
    assert_eq!(growing.step(), Some(removal(THIRD)));
}

/// etcd refuses to promote a learner that is not in sync for as long as it is not.
#[test]
fn a_learner_that_never_gets_in_sync_does_not_keep_a_lost_voter() {
    let stuck = cluster(3).size(5).learner(7).without_pod(THIRD);
    assert_eq!(stuck.step(), Some(removal(THIRD)));
}

#[test]
fn a_learner_that_does_not_come_back_goes_too() {
    let gone = cluster(2).size(3).unstarted(THIRD).without_pod(THIRD);
    assert_eq!(gone.step(), Some(removal(THIRD)));
}

#[test]
fn a_leader_hands_over_before_it_is_replaced() {
    let overdue = cluster(3).leader(THIRD).answering_on(THIRD, NodeState::Away(long_ago()));
    assert_eq!(overdue.step(), Some(Step::MoveLeader { to: id(FIRST), number: FIRST }));
}

#[test]
fn leadership_goes_to_a_voter_that_nothing_is_wrong_with() {
    let overdue = cluster(5)
        .leader(THIRD)
        .answering_on(THIRD, NodeState::Away(long_ago()))
        .answering_on(FIRST, NodeState::Away(recently()));
    assert_eq!(overdue.step(), Some(Step::MoveLeader { to: id(SECOND), number: SECOND }));
}

#[test]
fn leadership_is_not_handed_to_a_stranger() {
    let overdue = cluster(3).foreign(false).leader(THIRD).answering_on(THIRD, NodeState::Gone);
    let mut first_in_the_list = overdue.clone();
    if let Membership::Known(members) = &mut first_in_the_list.observed.membership {
        members.members.rotate_right(1);
    }
    for cluster in [overdue, first_in_the_list] {
        assert_eq!(cluster.step(), Some(Step::MoveLeader { to: id(FIRST), number: FIRST }));
    }
}

#[test]
fn no_voter_goes_while_it_is_not_known_who_leads() {
    assert_eq!(cluster(3).leader_unknown().without_pod(THIRD).step(), None);
}

/// All kubelets may fall silent at once while etcd runs on.
#[test]
fn members_that_answer_on_silent_nodes_are_not_removed_one_after_the_other() {
    let silent = |cluster: crate::builder::Cluster, numbers: &[u32]| {
        numbers.iter().fold(cluster, |cluster, number| {
            cluster.answering_on(*number, NodeState::Away(long_ago()))
        })
    };
    for kept in [
        silent(cluster(3), &[FIRST, SECOND, THIRD]),
        silent(cluster(3), &[SECOND, THIRD]),
        silent(cluster(2).size(3), &[SECOND])
            .waiting(THIRD)
            .edit_pod(THIRD, |pod| pod.published = false),
        silent(cluster(5), &[FIRST, SECOND, THIRD]),
    ] {
        assert_eq!(kept.step(), None, "{kept:?}");
    }
    assert_eq!(silent(cluster(3), &[THIRD]).step(), Some(removal(THIRD)));
}

/// A contradiction: what was seen is of different moments.
#[test]
fn a_member_that_answers_is_not_taken_for_gone() {
    let contradiction =
        cluster(3).without_pod(THIRD).edit_member(THIRD, |member| member.healthy = true);
    assert!(contradiction.waits().contains("it answers although its pod is not there"));
}

#[test]
fn a_member_nobody_remembers_and_without_a_pod_is_a_phantom() {
    let phantom = cluster(2).size(3).unstarted(THIRD).without_pod(THIRD).edit_record(|record| {
        record.members.remove(&THIRD);
    });
    assert_eq!(phantom.step(), Some(removal(THIRD)));
}
