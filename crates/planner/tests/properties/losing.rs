//! Clusters that lost members for good, and restores that are under way, with an archive.

use std::collections::BTreeSet;

use jiff::Timestamp;
use planner::{
    Archive, BackupRef, Cause, Flawed, Member, Members, Membership, NodeState, Order, PodState,
    QuorumLoss, RestoreRecord, Role, Source, Stage,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::arbitrary::{NOW, node, pod_state, time};
use crate::plausible::well;
use crate::sight::Sight;

/// A backup; ids are few, so that some are met again.
pub(crate) fn backup() -> impl Strategy<Value = BackupRef> {
    (0..4u32, 1..6i64, option::weighted(0.8, 100..102u64), 0..900i64).prop_map(
        |(id, revision, cluster_id, ago)| BackupRef {
            id: format!("b-{id}"),
            manifest_digest: format!("sha256:{id}{revision}"),
            location: "s3://backups".into(),
            revision,
            cluster_id,
            finished: Timestamp::from_second(NOW - ago).unwrap(),
        },
    )
}

fn flawed() -> impl Strategy<Value = Flawed> {
    (backup(), prop::bool::weighted(0.2)).prop_map(|(backup, is_unread)| Flawed {
        id: backup.id.replace("b-", "f-"),
        revision: backup.revision,
        finished: backup.finished,
        why: "page 7 is damaged".into(),
        is_unread,
    })
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        2 => Just(Order::None),
        1 => option::of(Just("the store is full".into())).prop_map(|why| Order::Pending { why }),
        1 => Just(Order::Uploading),
        3 => backup().prop_map(Order::Stored),
        1 => time().prop_map(|at| Order::Failed { why: "no space".into(), at }),
    ]
}

/// What the sidecar says.
pub(crate) fn archive() -> impl Strategy<Value = Archive> {
    prop_oneof![
        1 => Just(Archive::NoPolicy),
        1 => Just(Archive::Unknown("connection refused".into())),
        5 => (vec(backup(), 0..4), vec(flawed(), 0..2), order())
            .prop_map(|(backups, flawed, order)| Archive::Known { backups, flawed, order }),
    ]
}

/// What a new cluster's data comes from.
pub(crate) fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::None),
        Just(Source::Unresolved("the sidecar starts".into())),
        Just(Source::Missing("no such backup".into())),
        backup().prop_map(|backup| Source::Found { backup, before: None }),
    ]
}

/// A restore that is under way.
pub(crate) fn restore() -> impl Strategy<Value = RestoreRecord> {
    let cause = prop_oneof![1 => Just(Cause::Manual), 4 => (1..3u32).prop_map(Cause::Recovery)];
    let stage = prop_oneof![
        2 => (0..5u32, 0..2u32).prop_map(|(survivor, order)| Stage::Saving { survivor, order }),
        3 => (backup(), option::of(backup()))
            .prop_map(|(backup, saved)| Stage::Restoring { backup, saved }),
    ];
    (cause, 3..8u32, stage, btree_set((0..4u32).prop_map(|id| format!("b-{id}")), 0..2))
        .prop_map(|(cause, first, stage, refused)| RestoreRecord { cause, first, stage, refused })
}

/// What happened to a member.
#[derive(Clone, Debug)]
enum Lot {
    PodGone(NodeState),
    Stranded(i64),
    Pod(PodState),
    Node(NodeState),
    Leaving(i64),
}

fn lot() -> impl Strategy<Value = Lot> {
    prop_oneof![
        6 => Just(Lot::PodGone(NodeState::Ready)),
        1 => node().prop_map(Lot::PodGone),
        5 => (1..5i64).prop_map(Lot::Stranded),
        1 => pod_state().prop_map(Lot::Pod),
        1 => node().prop_map(Lot::Node),
        1 => (1..5i64).prop_map(Lot::Leaving),
    ]
}

/// A recovery, or a cluster that needs one.
pub(crate) fn losing() -> impl Strategy<Value = Sight> {
    let approval = (prop::bool::weighted(0.3), any::<bool>());
    let seed = option::weighted(0.6, (pod_state(), any::<bool>(), any::<bool>(), any::<bool>()));
    let lots = vec(lot(), 1..=5);
    (lots, archive(), option::weighted(0.7, restore()), approval, seed, any::<bool>()).prop_map(
        |(lots, archive, restore, (is_manual, is_approved), seed, is_listed)| {
            let size = u32::try_from(lots.len()).unwrap();
            let mut sight = well(size);
            sight.observed.membership = Membership::Unknown;
            sight.observed.archive = archive;
            for (number, lot) in (0..).zip(lots) {
                befall(&mut sight, number, lot);
            }
            sight.observed.record.recoveries = 2;
            sight.observed.record.restore =
                restore.map(|restore| RestoreRecord { first: size + 2, ..restore });
            if is_manual {
                sight.desired.quorum_loss = QuorumLoss::Manual;
            }
            // An approval that is not for this loss is one for an earlier one.
            let approval = planner::approval(&sight.desired, &sight.observed);
            sight.desired.approved =
                approval.filter(|_| is_approved).or(Some("orders-0099".into()));
            if is_listed {
                list(&mut sight);
                aim(&mut sight);
            }
            if let Some((state, is_marked, answers, from_it)) = seed {
                add_seed(&mut sight, size + 2, state, is_marked, answers, from_it);
            }
            sight
        },
    )
}

fn befall(sight: &mut Sight, number: u32, lot: Lot) {
    let observed = &mut sight.observed;
    let pod = observed.pods.get_mut(&number).unwrap();
    match lot {
        Lot::PodGone(node) => {
            observed.pods.remove(&number);
            observed.record.members.get_mut(&number).unwrap().node = node;
        }
        Lot::Stranded(revision) => {
            observed.stranded.insert(number, revision);
        }
        Lot::Leaving(revision) => {
            pod.terminating = true;
            observed.stranded.insert(number, revision);
        }
        Lot::Pod(state) => pod.state = state,
        Lot::Node(node) => pod.node = node,
    }
}

/// Who is saved is one of those that are left.
fn aim(sight: &mut Sight) {
    let observed = &mut sight.observed;
    let Some((&left, _)) = observed.stranded.first_key_value() else { return };
    if let Some(RestoreRecord { stage: Stage::Saving { survivor, .. }, .. }) =
        &mut observed.record.restore
    {
        *survivor = left;
    }
}

/// What was saved is in the archive.
fn list(sight: &mut Sight) {
    let stage = sight.observed.record.restore.as_ref().map(|restore| restore.stage.clone());
    let Some(Stage::Restoring { saved: Some(saved), .. }) = stage else { return };
    if let Archive::Known { backups, .. } = &mut sight.observed.archive {
        backups.push(saved);
    }
}

fn add_seed(
    sight: &mut Sight,
    number: u32,
    state: PodState,
    is_marked: bool,
    is_heard: bool,
    from_it: bool,
) {
    let observed = &mut sight.observed;
    let chosen = observed.record.restore.as_ref().map(|restore| restore.stage.clone());
    let Some(Stage::Restoring { backup, .. }) = chosen else { return };
    let mut pod = well(1).observed.pods.remove(&0).unwrap();
    pod.role = if from_it { Role::Restored(backup.id) } else { Role::Restored("b-9".into()) };
    (pod.state, pod.marked) = (state, is_marked);
    observed.pods.insert(number, pod);
    if is_heard {
        let alone =
            Member { id: 7, number: Some(number), started: true, learner: false, healthy: true };
        observed.membership = Membership::Known(Members {
            cluster_id: 200,
            leader: Some(7),
            learner_limit: 1,
            members: vec![alone],
        });
    }
}

/// The members in the record that are gone, by the words of `docs/architecture.md`: no pod and
/// nothing that could run it, or a pod without data.
pub(crate) fn gone(sight: &Sight) -> BTreeSet<u32> {
    let record = &sight.observed.record;
    let is_gone = |number: &u32| match sight.observed.pods.get(number) {
        Some(pod) => {
            pod.node == NodeState::Gone
                || matches!(pod.state, PodState::DataLost | PodState::RestoreRefused(_))
        }
        None => !matches!(record.members[number].node, NodeState::Away(_)),
    };
    record.members.keys().copied().filter(is_gone).collect()
}
