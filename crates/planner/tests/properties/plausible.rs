//! A cluster that could be: members with their pods, a record that agrees, pods that wait, and a
//! few things wrong with it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Archive, Desired, LastSeen, Member, Members, Membership, NodeState, Observed, Pod, PodState,
    QuorumLoss, Record, Role, Source,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{NOW, desired, node, pod_state};
use crate::sight::Sight;

/// One thing that is wrong with one member or with a pod that waits.
#[derive(Clone, Debug)]
enum Fault {
    Down,
    Terminating,
    PodGone,
    Unstarted,
    Unmarked,
    Unpublished,
    Node(NodeState),
    Pod(PodState),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Down),
        Just(Fault::Terminating),
        Just(Fault::PodGone),
        Just(Fault::Unstarted),
        Just(Fault::Unmarked),
        Just(Fault::Unpublished),
        node().prop_map(Fault::Node),
        pod_state().prop_map(Fault::Pod),
    ]
}

/// A cluster with up to three faults.
pub(crate) fn plausible() -> impl Strategy<Value = Sight> {
    let counts = (1..=7u32, 0..=2u32, 0..=2u32, prop::bool::weighted(0.1));
    let faults = vec((0..9u32, fault()), 0..=3);
    (desired(), counts, 0..9u64, 1..=2usize, faults).prop_map(
        |(desired, (voters, learners, waiting, foreign), leader, learner_limit, faults)| {
            let mut members = members(voters, learners, leader % u64::from(voters));
            members.learner_limit = learner_limit;
            if foreign {
                members.members.push(Member { id: 99, number: None, ..member(0, voters) });
            }
            let mut sight =
                Sight { desired, observed: observed(members, voters, waiting), now: now() };
            for (number, fault) in faults {
                inflict(&mut sight.observed, number % (voters + learners + waiting), fault);
            }
            sight
        },
    )
}

/// A cluster of this size that nothing is wrong with.
pub(crate) fn well(size: u32) -> Sight {
    let cluster = ClusterName { namespace: "prod".into(), name: "orders".into() };
    let replace_after = SignedDuration::from_mins(5);
    let desired = Desired {
        cluster,
        size: size as usize,
        paused: false,
        replace_after,
        from_backup: false,
        quorum_loss: QuorumLoss::Automatic,
        approved: None,
    };
    Sight { desired, observed: observed(members(size, 0, 0), size, 0), now: now() }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn member(number: u32, voters: u32) -> Member {
    let (id, learner) = (u64::from(number), number >= voters);
    Member { id, number: Some(number), started: true, learner, healthy: true }
}

fn members(voters: u32, learners: u32, leader: u64) -> Members {
    let members = (0..voters + learners).map(|number| member(number, voters)).collect();
    Members { cluster_id: 100, leader: Some(leader), learner_limit: 1, members }
}

fn observed(members: Members, voters: u32, waiting: u32) -> Observed {
    let count = u32::try_from(members.numbers().len()).unwrap();
    let pods = (0..count + waiting).map(|number| (number, pod(number, count))).collect();
    Observed {
        record: record(count, voters),
        pods,
        membership: Membership::Known(members),
        stranded: BTreeMap::new(),
        archive: Archive::NoPolicy,
        source: Source::None,
    }
}

fn pod(number: u32, members: u32) -> Pod {
    let joined = number < members;
    let since = Timestamp::from_second(NOW - 5_000).unwrap();
    let running = PodState::Running { ready: true, restarts: 0, since };
    Pod {
        role: if number == 0 { Role::Seed } else { Role::Joiner((0..=number).collect()) },
        terminating: false,
        marked: joined,
        published: true,
        node: NodeState::Ready,
        state: if joined { running } else { PodState::Gated },
    }
}

fn record(count: u32, voters: u32) -> Record {
    let seen = |number| (number, LastSeen { voter: number < voters, node: NodeState::Ready });
    Record {
        next_number: count + 2,
        served: true,
        cluster_id: Some(100),
        reached_size: voters as usize,
        members: (0..count).map(seen).collect::<BTreeMap<_, _>>(),
        ..Record::default()
    }
}

fn inflict(observed: &mut Observed, number: u32, fault: Fault) {
    if let Membership::Known(members) = &mut observed.membership {
        let member = members.members.iter_mut().find(|member| member.number == Some(number));
        if let Some(member) = member {
            harm(member, &fault);
        }
    }
    if matches!(fault, Fault::PodGone) {
        observed.pods.remove(&number);
    }
    let Some(pod) = observed.pods.get_mut(&number) else { return };
    match fault {
        Fault::Terminating => pod.terminating = true,
        Fault::Unmarked => pod.marked = false,
        Fault::Unpublished => pod.published = false,
        Fault::Node(node) => pod.node = node,
        Fault::Pod(state) => pod.state = state,
        Fault::Down | Fault::PodGone | Fault::Unstarted => {}
    }
}

fn harm(member: &mut Member, fault: &Fault) {
    match fault {
        Fault::Unstarted => member.started = false,
        Fault::Down | Fault::PodGone => member.healthy = false,
        Fault::Pod(state) => member.healthy &= matches!(state, PodState::Running { .. }),
        Fault::Terminating | Fault::Unmarked | Fault::Unpublished | Fault::Node(_) => {}
    }
}
