//! When a person is rightly waited for. Nodes are back by then, and nothing more happens by itself.

use planner::{BackupRef, Phase, Plan};

use crate::archive::Backup;
use crate::etcd::{Etcd, is_alive};
use crate::world::{Source, Stage, World};

/// Whether a cluster that is not what was wanted can do nothing but wait.
pub(crate) fn is_right(world: &World, plan: &Plan) -> bool {
    if plan.step.is_some() {
        return false;
    }
    match plan.phase {
        Phase::NoQuorum if !world.spec.has_backups => world.may_hold_data(),
        Phase::NoQuorum => counts_others_than_vote(world),
        Phase::QuorumLost if !world.spec.has_backups => true,
        Phase::QuorumLost | Phase::Recovering => {
            somebody_is_silent(world) || what_was_saved_is_gone(world)
        }
        Phase::Unrecoverable => nothing_is_left(world),
        Phase::Failed => world.spec.source == Some(Source::Damaged),
        _ => false,
    }
}

/// The status counts a voter that is none any more, or does not even name one as a learner, because
/// the operator died right after it removed the one, or twice in a row while the other joined. Who
/// waits then loses nothing. (A vote that was given is known: those who are left tell of it.)
fn counts_others_than_vote(world: &World) -> bool {
    let voters: Vec<u32> =
        world.home().into_iter().flat_map(Etcd::voters).map(|voter| voter.number).collect();
    let recorded = &world.status.members;
    let is_removed = |(number, voter): (&u32, &bool)| *voter && !voters.contains(number);
    recorded.iter().any(is_removed) || voters.iter().any(|number| !recorded.contains_key(number))
}

/// What may hold data and does not tell: only a person can say that it is lost.
fn somebody_is_silent(world: &World) -> bool {
    let numbers = world.home().map(Etcd::numbers).unwrap_or_default();
    let first = world.status.restore.as_ref().map_or(u32::MAX, |restore| restore.first);
    world.pods.range(..first).any(|(number, pod)| {
        let tells = numbers.contains(number) && is_alive(&world.pods, *number);
        let may_hold = matches!(pod.stage, Stage::Running | Stage::Crashing);
        may_hold && !tells
    })
}

/// Neither a survivor nor a backup that can be restored in its place.
fn nothing_is_left(world: &World) -> bool {
    let numbers = world.home().map(Etcd::numbers).unwrap_or_default();
    let saved = saved(world);
    let holds_enough = |backup: &Backup| {
        let backup = backup.reference();
        saved.is_none_or(|saved| {
            backup.cluster_id == saved.cluster_id && backup.revision >= saved.revision
        })
    };
    let mut usable = world.archive.backups.iter().filter(|backup| !backup.is_damaged);
    !numbers.into_iter().any(|number| world.is_left(number)) && !usable.any(holds_enough)
}

/// Somebody deleted the backup that a survivor may go for.
fn what_was_saved_is_gone(world: &World) -> bool {
    saved(world).is_some_and(|saved| world.archive.backup(&saved.id).is_none())
}

/// What a survivor held, as stored by the recovery that is recorded.
fn saved(world: &World) -> Option<&BackupRef> {
    match &world.status.restore.as_ref()?.stage {
        planner::Stage::Restoring { saved, .. } => saved.as_ref(),
        planner::Stage::Saving { .. } => None,
    }
}
