//! No quorum answers: nothing is done, and the sentence says whether it may come back.

use planner::{NodeState, Phase, PodState};

use crate::builder::{Cluster, cluster, long_ago};

fn sentence(cluster: &Cluster) -> (Phase, String) {
    (cluster.phase(), cluster.waits())
}

#[test]
fn silence_is_not_loss() {
    for silent in [
        cluster(3).no_quorum(),
        cluster(3)
            .node_is(5, NodeState::Away(long_ago()))
            .node_is(6, NodeState::Away(long_ago()))
            .no_quorum(),
        cluster(3).pod_is(5, PodState::CrashLooping(long_ago())).terminating(6).no_quorum(),
        cluster(3).pod_is(5, PodState::Failed(long_ago())).pod_is(6, PodState::Gated).no_quorum(),
    ] {
        let (phase, message) = sentence(&silent);
        assert_eq!(phase, Phase::NoQuorum, "{message}");
        assert!(message.contains("2 of 3 voters are needed"), "{message}");
    }
}

/// A person took them out of the services, or a policy rewrote their labels.
#[test]
fn members_whose_labels_were_changed_are_not_lost() {
    let relabelled =
        cluster(3).pod_is(5, PodState::Unlabelled).pod_is(6, PodState::Unlabelled).no_quorum();
    let (phase, message) = sentence(&relabelled);
    assert_eq!(phase, Phase::NoQuorum, "{message}");
    assert!(message.contains("put them back"), "{message}");
}

/// A backup brought its authentication back, or a person switched it on.
#[test]
fn members_that_serve_users_only_are_left_alone_and_a_person_is_asked() {
    let locked = || {
        cluster(3)
            .pod_is(5, PodState::Locked { ready: true })
            .pod_is(6, PodState::Locked { ready: true })
            .no_quorum()
    };
    let plan = locked().plan();
    assert_eq!((plan.step, plan.phase), (None, Phase::Failed), "{}", plan.message);
    assert!(
        plan.message.contains("exec -it orders-0005 -c etcd -- etcdctl --user=root auth disable")
    );
    let one = cluster(3).pod_is(5, PodState::Locked { ready: true }).down(6).no_quorum();
    let (phase, message) = sentence(&one);
    assert_eq!(phase, Phase::NoQuorum, "one of three is no quorum: {message}");
    assert!(message.contains("orders-0005 (its etcd asks for a user"), "{message}");
    let answering = cluster(3).pod_is_silent(5, PodState::Locked { ready: true });
    assert_ne!(answering.phase(), Phase::Failed, "it has just been switched off");
}

#[test]
fn one_lost_voter_of_three_is_not_a_lost_quorum() {
    let (phase, message) = sentence(&cluster(3).without_pod(6).no_quorum());
    assert_eq!(phase, Phase::NoQuorum);
    assert!(!message.contains("orders-0006"), "{message}");
}

#[test]
fn a_pod_that_vanished_from_a_silent_node_is_not_lost() {
    let vanished = cluster(3)
        .node_is(5, NodeState::Away(long_ago()))
        .node_is(6, NodeState::Away(long_ago()))
        .without_pod(5)
        .without_pod(6)
        .no_quorum();
    let (phase, message) = sentence(&vanished);
    assert_eq!(phase, Phase::NoQuorum);
    assert!(message.contains("it may still run there"), "{message}");
}

#[test]
fn a_majority_gone_with_its_data_is_a_lost_quorum() {
    for lost in [
        cluster(3).without_pod(5).without_pod(6).no_quorum(),
        cluster(3).pod_is(5, PodState::DataLost).node_is(6, NodeState::Gone).no_quorum(),
        cluster(2).without_pod(5).no_quorum(),
        cluster(4).without_pod(5).without_pod(6).no_quorum(),
    ] {
        let (phase, message) = sentence(&lost);
        assert_eq!(phase, Phase::QuorumLost, "{message}");
        assert!(message.contains("there is no backup policy, so nothing is deleted"), "{message}");
    }
}

#[test]
fn nothing_left_and_no_policy_is_unrecoverable() {
    let (phase, message) = sentence(&cluster(1).without_pod(4).no_quorum());
    assert_eq!(phase, Phase::Unrecoverable, "{message}");
    assert!(message.contains("nothing is started empty"), "{message}");
}

#[test]
fn learners_do_not_count_as_voters() {
    let lost = cluster(3).without_pod(5).without_pod(6).no_quorum().edit_record(|record| {
        for number in [5, 6] {
            record.members.get_mut(&number).unwrap().voter = false;
        }
    });
    assert_eq!(lost.phase(), Phase::NoQuorum);
}

/// The operator died, or the quorum went, between a vote and the write after it. A person who writes
/// the role down ends the wait (docs/disasters.md).
#[test]
fn a_vote_that_the_status_does_not_know_is_waited_for_until_it_is_written_down() {
    let known = |voter: bool| {
        let vote = |record: &mut planner::Record| {
            record.members.get_mut(&5).unwrap().voter = voter;
        };
        sentence(&cluster(2).without_pod(5).no_quorum().edit_record(vote))
    };
    let (phase, message) = known(false);
    assert_eq!(phase, Phase::NoQuorum, "{message}");
    assert!(message.contains("1 of 1 voters are needed"), "{message}");
    assert_eq!(known(true).0, Phase::QuorumLost);
}

#[test]
fn a_status_that_names_no_voter_is_said_so() {
    let forgotten = cluster(3).no_quorum().edit_record(|record| record.members.clear());
    let (phase, message) = sentence(&forgotten);
    assert_eq!(phase, Phase::NoQuorum);
    assert!(message.contains("does not say who the voters are"), "{message}");
}
