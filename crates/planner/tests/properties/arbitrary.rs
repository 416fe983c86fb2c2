//! Any input at all, contradictions included: every part is drawn for itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Desired, LastSeen, Member, Members, Membership, NodeState, Observed, Pod, PodState, QuorumLoss,
    Record, Role,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::losing::{archive, losing, restore, source};
use crate::plausible::plausible;
use crate::sight::Sight;

/// The time of the decision in most cases.
pub(crate) const NOW: i64 = 1_795_000_000;

/// Any case: two thirds of them are a cluster that could be, with something wrong.
pub(crate) fn sight() -> impl Strategy<Value = Sight> {
    prop_oneof![plausible(), contradictory(), losing()]
}

/// A case whose parts know nothing of each other.
pub(crate) fn contradictory() -> impl Strategy<Value = Sight> {
    let stranded = btree_map(number(), 1..6i64, 0..4);
    let told = (membership(), stranded, archive(), source());
    (desired(), record(), btree_map(number(), pod(), 0..6), told).prop_map(
        |(desired, record, pods, (membership, stranded, archive, source))| Sight {
            desired,
            observed: Observed { record, pods, membership, stranded, archive, source },
            now: Timestamp::from_second(NOW).unwrap(),
        },
    )
}

/// The wanted cluster.
pub(crate) fn desired() -> impl Strategy<Value = Desired> {
    let flags = (prop::bool::weighted(0.05), prop::bool::weighted(0.1), any::<bool>());
    (1..=7usize, flags, 0..900i64).prop_map(|(size, (paused, from_backup, is_manual), seconds)| {
        Desired {
            cluster: ClusterName { namespace: "prod".into(), name: "orders".into() },
            size,
            paused,
            replace_after: SignedDuration::from_secs(seconds),
            from_backup,
            quorum_loss: if is_manual { QuorumLoss::Manual } else { QuorumLoss::Automatic },
            approved: None,
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
        Just(PodState::Outdated),
        Just(PodState::DataLost),
        Just(PodState::Unlabelled),
        Just(PodState::Corrupt),
        any::<bool>().prop_map(|ready| PodState::Locked { ready }),
        Just(PodState::RestoreRefused("page 7 is damaged".into())),
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
    prop_oneof![
        4 => Just(Role::Seed),
        1 => (0..4u32).prop_map(|id| Role::Restored(format!("b-{id}"))),
        5 => btree_set(number(), 0..6).prop_map(Role::Joiner),
    ]
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
    let under_way = option::weighted(0.2, restore());
    let numbers = (0..10u32, 0..8usize);
    (numbers, any::<bool>(), id, btree_map(number(), seen, 0..5), under_way).prop_map(
        |((next_number, reached_size), served, cluster_id, members, restore)| Record {
            next_number,
            served,
            cluster_id,
            reached_size,
            members,
            recoveries: 2,
            restore,
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
