//! The first member, and the moment from which on there may be data.

use jiff::SignedDuration;
use planner::{Membership, NodeState, Phase, PodState, Recheck, Step};

use crate::builder::{CLUSTER_ID, FIRST, ago, cluster, long_ago, recently, running, unserved};

fn started_again(since_seconds: i64) -> PodState {
    let since = ago(SignedDuration::from_secs(since_seconds));
    PodState::Running { ready: false, restarts: 1, since }
}

#[test]
fn nothing_there_is_answered_by_a_first_member() {
    assert_eq!(unserved().step(), Some(Step::CreateSeed { number: 0, restore: None }));
}

#[test]
fn a_number_that_was_written_down_is_used_up() {
    let crashed = unserved().edit_record(|record| record.next_number = 3);
    assert_eq!(crashed.step(), Some(Step::CreateSeed { number: 3, restore: None }));
}

#[test]
fn a_first_member_that_comes_up_is_waited_for() {
    let seconds = |seconds| ago(SignedDuration::from_secs(seconds));
    for state in [
        PodState::Pending("no node fits".into()),
        PodState::Gated,
        PodState::Running { ready: false, restarts: 0, since: long_ago() },
        PodState::Running { ready: true, restarts: 2, since: long_ago() },
        started_again(14),
        PodState::CrashLooping(recently()),
        PodState::Failed(seconds(9)),
    ] {
        let plan = unserved().seed(0, state.clone()).plan();
        assert_eq!((plan.step, plan.phase), (None, Phase::Creating), "{state:?}");
    }
}

#[test]
fn a_first_member_that_will_not_come_up_is_deleted() {
    let seconds = |seconds| ago(SignedDuration::from_secs(seconds));
    for state in [
        started_again(15),
        PodState::CrashLooping(long_ago()),
        PodState::Failed(seconds(10)),
        PodState::DataLost,
        PodState::Outdated,
    ] {
        let step = unserved().seed(0, state.clone()).step();
        assert_eq!(step, Some(Step::DeletePod { number: 0 }), "{state:?}");
    }
}

#[test]
fn a_first_member_on_a_lost_node_is_deleted() {
    for (node, is_deleted) in [
        (NodeState::Gone, true),
        (NodeState::Away(long_ago()), true),
        (NodeState::Away(recently()), false),
        (NodeState::Unknown, false),
    ] {
        let seed = unserved().seed(0, PodState::Gated).edit_pod(0, |pod| pod.node = node.clone());
        let deleted = Some(Step::DeletePod { number: 0 });
        assert_eq!(seed.step(), deleted.filter(|_| is_deleted), "{node:?}");
    }
}

#[test]
fn a_deleted_first_member_is_followed_by_one_of_a_new_number() {
    let deleted = unserved().seed(0, started_again(15)).terminating(0);
    assert_eq!(deleted.step(), Some(Step::CreateSeed { number: 1, restore: None }));
}

#[test]
fn of_two_first_members_the_later_goes() {
    let two = unserved().seed(0, PodState::Gated).seed(1, PodState::Gated);
    assert_eq!(two.step(), Some(Step::DeletePod { number: 1 }));
}

#[test]
fn a_joiner_without_a_cluster_goes() {
    let stray = unserved().waiting(2);
    assert_eq!(stray.step(), Some(Step::DeletePod { number: 2 }));
}

/// A first member that answers for the first time.
fn answering() -> crate::builder::Cluster {
    cluster(1)
        .size(3)
        .edit_record(|record| {
            *record = planner::Record { next_number: FIRST + 1, ..Default::default() }
        })
        .edit_pod(FIRST, |pod| pod.marked = false)
}

#[test]
fn an_answering_first_member_is_marked_before_it_is_recorded() {
    let first = answering();
    assert_eq!(first.step(), Some(Step::MarkServed { number: FIRST }));
    let marked = first.edit_pod(FIRST, |pod| pod.marked = true);
    assert_eq!(marked.step(), Some(Step::RecordServed { cluster_id: CLUSTER_ID }));
}

#[test]
fn no_member_joins_before_the_cluster_is_recorded() {
    let marked = answering().edit_pod(FIRST, |pod| pod.marked = true);
    let recorded = marked.clone().edit_record(|record| {
        record.served = true;
        record.cluster_id = Some(CLUSTER_ID);
    });
    assert!(!matches!(marked.step(), Some(Step::CreateJoiner { .. })));
    assert!(matches!(recorded.step(), Some(Step::CreateJoiner { .. })));
}

/// A first member that is about to go holds nothing: to record it would leave a cluster without
/// quorum that never held data.
#[test]
fn a_first_member_that_is_being_deleted_is_not_recorded() {
    let leaving = answering().terminating(FIRST);
    assert_eq!(leaving.step(), Some(Step::CreateSeed { number: FIRST + 1, restore: None }));
}

/// The IP of a first member may have been given to somebody else's pod.
#[test]
fn a_stranger_s_answer_is_not_recorded_as_this_cluster() {
    let stranger = answering().edit_member(FIRST, |member| member.number = None);
    assert_eq!(stranger.step(), None);
}

#[test]
fn a_second_first_member_goes_before_the_one_that_answers_is_marked() {
    let two = answering().seed(FIRST - 1, running());
    assert_eq!(two.step(), Some(Step::DeletePod { number: FIRST - 1 }));
}

#[test]
fn a_cluster_that_served_is_never_seeded_again() {
    let served = cluster(1).no_quorum().without_pod(FIRST);
    let by_id = served.clone().edit_record(|record| record.served = false);
    let by_mark = cluster(1).no_quorum().edit_record(|record| *record = planner::Record::default());
    for known in [served, by_id, by_mark] {
        assert_eq!(known.step(), None, "{known:?}");
    }
}

#[test]
fn without_a_number_left_nothing_is_created() {
    let used_up = unserved().seed(u32::MAX, PodState::Gated).terminating(u32::MAX);
    assert!(used_up.waits().contains("no member number is left"));
}

#[test]
fn paused_means_paused() {
    for paused in
        [unserved().paused(), cluster(3).size(5).paused(), cluster(3).without_pod(5).paused()]
    {
        let plan = paused.plan();
        assert_eq!((plan.step, plan.phase, plan.recheck), (None, Phase::Paused, Recheck::AtRest));
    }
}

#[test]
fn a_lost_status_is_written_anew_from_the_members_that_are_marked() {
    let forgotten = cluster(3).edit_record(|record| *record = planner::Record::default());
    assert_eq!(forgotten.step(), Some(Step::RecordServed { cluster_id: CLUSTER_ID }));
}

/// Two first members may have come up in the moment in which two operators acted.
#[test]
fn a_lost_status_is_not_written_from_a_member_that_is_not_marked() {
    let mut two =
        cluster(1).seed(9, running()).edit_record(|record| *record = planner::Record::default());
    if let Membership::Known(members) = &mut two.observed.membership {
        members.members[0].number = Some(9);
    }
    assert!(two.waits().contains("is not known to hold this cluster's data"));
}
