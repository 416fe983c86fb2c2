//! How a member joins: pod, name, learner, start, vote.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use planner::{NodeState, Phase, PodState, Recheck, Step};

use crate::builder::{Cluster, FIRST, ago, cluster, id, long_ago, recently, running};

const SECOND: u32 = FIRST + 1;
const THIRD: u32 = FIRST + 2;
const FOURTH: u32 = FIRST + 3;

#[test]
fn the_pod_comes_first_and_knows_the_membership_it_will_start_into() {
    let step = cluster(1).size(3).step();
    let initial = BTreeSet::from([FIRST, SECOND]);
    assert_eq!(step, Some(Step::CreateJoiner { number: SECOND, initial }));
}

#[test]
fn the_next_pod_is_prepared_for_the_membership_after_the_first() {
    let step =
        cluster(1).size(3).waiting(SECOND).edit_pod(SECOND, |pod| pod.published = false).step();
    let initial = BTreeSet::from([FIRST, SECOND, THIRD]);
    assert_eq!(step, Some(Step::CreateJoiner { number: THIRD, initial }));
}

#[test]
fn no_more_than_two_pods_wait() {
    let waiting = cluster(1).size(7).waiting(SECOND).waiting(THIRD);
    let unpublished = waiting.edit_pod(SECOND, |pod| pod.published = false);
    assert_eq!(unpublished.step(), None);
}

#[test]
fn no_more_pods_wait_than_members_are_wanted() {
    let waiting = cluster(2).size(3).waiting(THIRD).edit_pod(THIRD, |pod| pod.published = false);
    assert_eq!(waiting.step(), None);
}

#[test]
fn a_member_is_added_when_its_pod_waits_and_its_name_is_published() {
    let waiting = cluster(2).size(3).waiting(THIRD);
    assert_eq!(waiting.step(), Some(Step::AddLearner { number: THIRD }));
    let pending =
        waiting.clone().edit_pod(THIRD, |pod| pod.state = PodState::Pending("pulling".into()));
    assert!(pending.waits().contains("orders-0006: pulling"));
    let unpublished = waiting.edit_pod(THIRD, |pod| pod.published = false);
    assert!(unpublished.waits().contains("the name of orders-0006"));
}

#[test]
fn members_are_added_in_the_order_of_their_pods() {
    let waiting = cluster(1).size(3).waiting(SECOND).waiting(THIRD);
    assert_eq!(waiting.clone().step(), Some(Step::AddLearner { number: SECOND }));
    let first_pends =
        waiting.edit_pod(SECOND, |pod| pod.state = PodState::Pending("pulling".into()));
    assert_eq!(first_pends.step(), None);
}

/// Its spec cannot change in it: an image that is nowhere, a node that is not there.
#[test]
fn a_pod_made_from_an_earlier_spec_is_made_anew() {
    let outdated = |cluster: Cluster| cluster.edit_pod(THIRD, |pod| pod.state = PodState::Outdated);
    let waiting = outdated(cluster(2).size(3).waiting(THIRD));
    assert_eq!(waiting.step(), Some(Step::DeletePod { number: THIRD }));
    // etcd was told of it while its guard ran.
    let added = outdated(cluster(2).size(3).unstarted(THIRD));
    assert_eq!(added.step(), Some(Step::RemoveMember { id: id(THIRD), number: THIRD }));
}

#[test]
fn a_member_with_data_is_not_given_up_for_its_pod_s_spec() {
    let pending = cluster(3).pod_is(THIRD, PodState::Outdated).down(THIRD);
    assert!(pending.waits().contains("pending and was made from an earlier spec"));
}

#[test]
fn nothing_is_added_while_a_member_has_not_started() {
    let starting = cluster(1).size(3).learner_limit(2).unstarted(SECOND).waiting(THIRD);
    assert!(starting.waits().contains("waiting for orders-0005 to start"));
}

/// What it has is what it was started with: it need not be waited for, whatever its pod says.
#[test]
fn a_started_learner_is_marked_whatever_its_pod_is_seen_to_do() {
    for state in [running(), PodState::Gated, PodState::Pending("starting".into())] {
        let started = cluster(1).size(2).learner(SECOND).edit_pod(SECOND, |pod| {
            pod.marked = false;
            pod.state = state.clone();
        });
        assert_eq!(started.step(), Some(Step::MarkServed { number: SECOND }), "{state:?}");
    }
}

#[test]
fn a_healthy_learner_gets_its_vote() {
    let joined = cluster(2).size(3).learner(THIRD);
    assert_eq!(joined.step(), Some(Step::Promote { id: id(THIRD), number: THIRD }));
}

#[test]
fn a_learner_that_is_not_well_gets_no_vote() {
    let joined = cluster(2).size(3).learner(THIRD);
    for unwell in [
        joined.clone().down(THIRD),
        joined.clone().terminating(THIRD),
        joined.clone().answering_on(THIRD, NodeState::Away(recently())),
        joined.clone().edit_member(THIRD, |member| member.started = false),
    ] {
        assert!(!matches!(unwell.step(), Some(Step::Promote { .. })), "{unwell:?}");
    }
}

#[test]
fn no_vote_is_given_beyond_the_wanted_size() {
    let joined = cluster(3).size(3).learner(FOURTH);
    assert_eq!(joined.step(), Some(Step::RemoveMember { id: id(FOURTH), number: FOURTH }));
}

#[test]
fn no_vote_is_given_when_it_would_cost_the_quorum() {
    // Two of four would be healthy.
    let ailing = cluster(3).size(4).learner(FOURTH).down(SECOND).down(THIRD);
    assert_eq!(ailing.step(), None);
}

/// A first learner whose container started so long ago, and a pod that waits.
fn first_of_two(cluster: Cluster, learner: u32, seconds: i64) -> Cluster {
    let since = ago(SignedDuration::from_secs(seconds));
    cluster
        .learner(learner)
        .waiting(learner + 1)
        .edit_pod(learner, |pod| pod.state = PodState::Running { ready: false, restarts: 0, since })
}

#[test]
fn two_join_side_by_side_only_where_every_member_admits_it() {
    let first = first_of_two(cluster(1).size(3), SECOND, 1);
    assert_eq!(first.clone().step(), Some(Step::Promote { id: id(SECOND), number: SECOND }));
    assert_eq!(first.learner_limit(2).step(), Some(Step::AddLearner { number: THIRD }));
}

/// For five seconds after a promotion etcd refuses to add a member.
#[test]
fn the_second_of_two_is_added_before_the_first_gets_its_vote() {
    let promotes = |number| Some(Step::Promote { id: id(number), number });
    for (pair, step) in [
        (first_of_two(cluster(3).size(5), 7, 9), Some(Step::AddLearner { number: 8 })),
        (first_of_two(cluster(3).size(5), 7, 10), promotes(7)),
        (first_of_two(cluster(2).size(5), 6, 1), promotes(6)),
        (
            first_of_two(cluster(3).size(5), 7, 1).edit_pod(8, |pod| pod.published = false),
            promotes(7),
        ),
        (first_of_two(cluster(3).size(5), 7, 1).down(7), Some(Step::AddLearner { number: 8 })),
    ] {
        assert_eq!(pair.learner_limit(2).step(), step);
    }
}

#[test]
fn a_pod_is_made_anew_when_the_membership_changed() {
    let stale = cluster(3).size(5).waiting(7).without_pod(THIRD);
    let removed = cluster(2).size(5).waiting(7).edit_pod(7, |pod| {
        pod.role = planner::Role::Joiner(BTreeSet::from([FIRST, SECOND, THIRD, 7]));
    });
    assert_eq!(stale.step(), Some(Step::RemoveMember { id: id(THIRD), number: THIRD }));
    let plan = removed.plan();
    assert_eq!(plan.step, Some(Step::DeletePod { number: 7 }));
    assert!(plan.message.contains("out of date"), "{}", plan.message);
}

#[test]
fn a_member_that_cannot_start_since_the_membership_changed_is_removed() {
    let late = cluster(2).size(3).unstarted(THIRD).edit_pod(THIRD, |pod| {
        pod.role = planner::Role::Joiner(BTreeSet::from([FIRST, THIRD]));
        pod.state = PodState::CrashLooping(recently());
    });
    assert_eq!(late.step(), Some(Step::RemoveMember { id: id(THIRD), number: THIRD }));
}

#[test]
fn a_waiting_pod_whose_node_went_away_is_deleted() {
    for node in [NodeState::Away(recently()), NodeState::Gone] {
        let away = cluster(2).size(3).waiting(THIRD).edit_pod(THIRD, |pod| pod.node = node.clone());
        assert_eq!(away.step(), Some(Step::DeletePod { number: THIRD }), "{node:?}");
    }
}

#[test]
fn waiting_pods_go_when_they_are_not_wanted_any_more() {
    let fewer = cluster(3).size(3).waiting(FOURTH);
    assert_eq!(fewer.step(), Some(Step::DeletePod { number: FOURTH }));
}

/// Otherwise a cause that stays would use up a number with every try.
#[test]
fn a_pod_that_fails_before_it_joined_is_not_made_anew_at_once() {
    let seconds = |seconds| ago(SignedDuration::from_secs(seconds));
    for (state, is_deleted) in [
        (PodState::CrashLooping(recently()), false),
        (PodState::CrashLooping(long_ago()), true),
        (PodState::Failed(seconds(9)), false),
        (PodState::Failed(seconds(10)), true),
    ] {
        let fails =
            cluster(2).size(3).waiting(THIRD).edit_pod(THIRD, |pod| pod.state = state.clone());
        let deleted = Some(Step::DeletePod { number: THIRD });
        assert_eq!(fails.step(), deleted.filter(|_| is_deleted), "{state:?}");
    }
}

/// etcd refuses it, and the sentence would name the wrong cause.
#[test]
fn nothing_is_added_while_voters_are_missing() {
    let missing = cluster(3).size(5).waiting(7).waiting(8).down(THIRD);
    assert!(missing.waits().contains("orders-0006: it does not answer"));
    let enough = cluster(5).size(6).waiting(9).down(8);
    assert_eq!(enough.step(), Some(Step::AddLearner { number: 9 }));
}

#[test]
fn a_cluster_that_grows_for_the_first_time_is_being_created() {
    let created = cluster(1).size(3).edit_record(|record| record.reached_size = 0);
    assert_eq!(created.phase(), Phase::Creating);
    assert_eq!(cluster(1).size(3).phase(), Phase::Scaling);
}

#[test]
fn a_whole_cluster_is_at_rest() {
    let plan = cluster(5).plan();
    assert_eq!((plan.step, plan.phase, plan.recheck), (None, Phase::Running, Recheck::AtRest));
    assert_eq!(plan.message, "all 5 members are healthy");
}
