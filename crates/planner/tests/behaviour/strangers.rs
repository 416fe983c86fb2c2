//! What is not ours: foreign members, other clusters' answers, pods of nobody.

use planner::{Membership, Phase, Step};

use crate::builder::{CLUSTER_ID, FIRST, cluster, id, running};

#[test]
fn no_member_is_added_beside_a_foreign_one() {
    for learner in [true, false] {
        let beside = cluster(2).size(5).foreign(learner).waiting(6);
        assert!(beside.waits().contains("etcdctl member remove f0"), "{learner}");
    }
}

#[test]
fn a_foreign_member_costs_none_of_ours() {
    for learner in [true, false] {
        let crowded = cluster(3).foreign(learner);
        assert_eq!(crowded.step(), None, "{learner}");
    }
}

#[test]
fn a_foreign_member_does_not_keep_ours_from_leaving() {
    let crowded = cluster(5).size(3).foreign(false);
    assert_eq!(crowded.step(), Some(Step::RemoveMember { id: id(8), number: 8 }));
}

#[test]
fn a_foreign_member_counts_for_the_quorum() {
    // Four voters need three; two healthy ones are left beside the lost one.
    let lost =
        cluster(3).foreign(false).without_pod(6).edit_member(5, |member| member.healthy = false);
    assert_eq!(lost.step(), None);
}

#[test]
fn a_foreign_learner_gets_no_vote() {
    assert_eq!(cluster(2).size(3).foreign(true).step(), None);
}

#[test]
fn another_etcd_cluster_s_answer_changes_nothing() {
    let mut impostor = cluster(3).size(5).without_pod(5).without_pod(6);
    if let Membership::Known(members) = &mut impostor.observed.membership {
        members.cluster_id = CLUSTER_ID + 1;
    }
    let plan = impostor.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::QuorumLost));
    assert!(impostor.observed.believed().is_err());
}

/// It is not the answer that is wrong with the cluster, but that nobody else answers.
#[test]
fn another_etcd_cluster_s_answer_is_told_of_when_the_quorum_may_come_back() {
    let mut impostor = cluster(3);
    if let Membership::Known(members) = &mut impostor.observed.membership {
        members.cluster_id = CLUSTER_ID + 1;
    }
    let plan = impostor.plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::NoQuorum));
    assert!(plan.message.contains("another etcd cluster (c1a6)"), "{}", plan.message);
}

/// Whoever believed it would delete every pod.
#[test]
fn a_member_list_without_voters_changes_nothing() {
    let mut empty = cluster(3);
    if let Membership::Known(members) = &mut empty.observed.membership {
        members.members.clear();
    }
    assert!(empty.waits().contains("names no voter"));
}

#[test]
fn a_second_first_member_is_deleted() {
    let late = cluster(3).seed(9, running());
    let plan = late.plan();
    assert_eq!(plan.step, Some(Step::DeletePod { number: 9 }));
    assert!(plan.message.contains("has its first member already"), "{}", plan.message);
}

#[test]
fn a_pod_that_is_being_deleted_is_left_alone() {
    assert_eq!(cluster(3).seed(9, running()).terminating(9).step(), None);
}

/// Somebody may have added a peer URL with the highest number that there is.
#[test]
fn a_number_that_cannot_be_followed_stops_the_growth_but_nothing_else() {
    let used_up =
        cluster(2).size(3).edit_member(FIRST + 1, |member| member.number = Some(u32::MAX));
    assert_eq!(
        used_up
            .size(3)
            .edit_record(|record| record.members.clear())
            .plan()
            .step
            .map(|step| { matches!(step, Step::CreateJoiner { .. }) }),
        Some(false)
    );
}
