//! Any input at all, contradictions included: every part is drawn for itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Desired, LastSeen, Member, Members, Membership, NodeState, Observed, Pod, PodState, Record,
    Role,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::plausible::plausible;
use crate::sight::Sight;

/// The time of the decision in most cases.
pub(crate) const NOW: i64 = 1_795_000_000;

/// Any case: half of them are a cluster that could be, with something wrong.
pub(crate) fn sight() -> impl Strategy<Value = Sight> {
    prop_oneof![plausible(), contradictory()]
}

/// A case whose parts know nothing of each other.
pub(crate) fn contradictory() -> impl Strategy<Value = Sight> {
    (desired(), record(), btree_map(number(), pod(), 0..6), membership()).prop_map(
        |(desired, record, pods, membership)| Sight {
            desired,
            observed: Observed { record, pods, membership },
            now: Timestamp::from_second(NOW).unwrap(),
        },
    )
}

/// The wanted cluster.
pub(crate) fn desired() -> impl Strategy<Value = Desired> {
    (1..=7usize, prop::bool::weighted(0.05), 0..900i64).prop_map(|(size, paused, seconds)| {
        Desired {
            cluster: ClusterName { namespace: "prod".into(), name: "orders".into() },
            size,
            paused,
            replace_after: SignedDuration::from_secs(seconds),
        }
    })
}

fn number() -> impl Strategy<Value = u32> {
    0..8u32
}

/// From well before the decision to a little after it: clocks differ.
pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    (-1_000..30i64).prop_map(|offset| Timestamp::from_second(NOW + offset).unwrap())
}

/// The state of a node.
pub(crate) fn node() -> impl Strategy<Value = NodeState> {
    prop_oneof![
        4 => Just(NodeState::Ready),
        1 => Just(NodeState::Gone),
        1 => Just(NodeState::Unknown),
        2 => time().prop_map(NodeState::Away),
    ]
}

/// The state of a pod.
pub(crate) fn pod_state() -> impl Strategy<Value = PodState> {
    prop_oneof![
        Just(PodState::Pending("pulling".into())),
        Just(PodState::Gated),
        Just(PodState::DataLost),
        (any::<bool>(), 0..3u32, time()).prop_map(|(ready, restarts, since)| PodState::Running {
            ready,
            restarts,
            since
        }),
        time().prop_map(PodState::CrashLooping),
        time().prop_map(PodState::Failed),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Seed), btree_set(number(), 0..6).prop_map(Role::Joiner)]
}

fn pod() -> impl Strategy<Value = Pod> {
    let flags = (prop::bool::weighted(0.2), any::<bool>(), any::<bool>());
    (role(), flags, node(), pod_state()).prop_map(|(role, flags, node, state)| {
        let (terminating, marked, published) = flags;
        Pod { role, terminating, marked, published, node, state }
    })
}

fn record() -> impl Strategy<Value = Record> {
    let seen = (any::<bool>(), node()).prop_map(|(voter, node)| LastSeen { voter, node });
    let id = option::of(100..102u64);
    (0..10u32, any::<bool>(), id, 0..8usize, btree_map(number(), seen, 0..5)).prop_map(
        |(next_number, served, cluster_id, reached_size, members)| Record {
            next_number,
            served,
            cluster_id,
            reached_size,
            members,
        },
    )
}

fn membership() -> impl Strategy<Value = Membership> {
    prop_oneof![1 => Just(Membership::Unknown), 3 => members().prop_map(Membership::Known)]
}

fn members() -> impl Strategy<Value = Members> {
    let member = (prop::bool::weighted(0.1), any::<[bool; 4]>());
    let leader = option::weighted(0.9, 0..8u64);
    (100..102u64, leader, 1..=2usize, vec((number(), member), 0..7)).prop_map(
        |(cluster_id, leader, learner_limit, drawn)| {
            let drawn: BTreeMap<u32, _> = drawn.into_iter().collect();
            let members = drawn.into_iter().map(|(number, (foreign, flags))| {
                let [started, learner, healthy, also_started] = flags;
                let started = started || also_started;
                let number_of_ours = (!foreign).then_some(number);
                let id = u64::from(number);
                Member { id, number: number_of_ours, started, learner, healthy }
            });
            Members { cluster_id, leader, learner_limit, members: members.collect() }
        },
    )
}
