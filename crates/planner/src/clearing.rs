//! What was there before a restore goes, one pod at a time.

use crate::loss::{Loss, Survivor};
use crate::lost::{self, states};
use crate::recovery;
use crate::restore::Restoring;
use crate::{
    Archive, BackupRef, Cause, NodeState, Observed, Phase, Plan, Pod, Recheck, Step, locked,
};

/// Deletes one pod that holds nothing: another first member, which no client ever reached; a pod
/// that never ran; or one whose data is gone. `seed` is the first member that is kept.
pub(crate) fn leftover(restoring: Restoring<'_>, seed: Option<u32>) -> Option<Plan> {
    let Restoring { desired, observed, restore, .. } = restoring;
    let loss = Loss::of(observed, restore.first);
    let is_survivor = |number| loss.survivors.iter().any(|survivor| survivor.number == number);
    let is_leftover = |number: u32, pod: &Pod| match restore.cause {
        _ if number >= restore.first => Some(number) != seed,
        Cause::Manual => !pod.marked,
        Cause::Recovery(_) => loss.is_lost() && !is_survivor(number),
    };
    let mut alive = observed.pods.iter().filter(|(_, pod)| !pod.terminating);
    let (&number, _) = alive.find(|(number, pod)| is_leftover(**number, pod))?;
    let why = format!("deleting pod {}, which holds no data", desired.cluster.member(number));
    Some(Plan::act(restoring.phase(), Step::DeletePod { number }, why))
}

/// Deletes one survivor that the archive holds everything of, or waits until that is so and until
/// all are gone; none when the first member may be made.
pub(crate) fn survivor(restoring: Restoring<'_>) -> Option<Plan> {
    let Restoring { desired, observed, restore, .. } = restoring;
    if restore.cause == Cause::Manual {
        return leaving(restoring);
    }
    let loss = Loss::of(observed, restore.first);
    if !loss.is_lost() {
        let why = "the recovery waits, since it may come back";
        return Some(lost::wait(desired, observed, &loss, why));
    }
    if loss.survivors.is_empty() {
        return leaving(restoring);
    }
    let holds_more = |survivor: &Survivor| survivor.revision > restoring.saved.map(|s| s.revision);
    let Some(saved) = restoring.saved.filter(|_| !loss.survivors.iter().any(holds_more)) else {
        // It came back, or it was written to by a quorum that was there for a moment.
        return Some(recovery::begin(desired, observed, &loss));
    };
    if is_to_be_saved_again(observed, &loss, saved) {
        return Some(recovery::begin(desired, observed, &loss));
    }
    Some(replace(restoring, &loss, saved))
}

/// Why the archive is not seen to hold this backup.
fn unseen(archive: &Archive, saved: &BackupRef) -> Option<String> {
    match archive {
        Archive::NoPolicy => {
            Some("there is no backup policy any more: set spec.backup again".into())
        }
        Archive::Unknown(why) => Some(format!("the backup sidecar does not answer: {why}")),
        Archive::Known { .. } if archive.holds(saved) => None,
        Archive::Known { .. } => {
            Some("it is gone or damaged, and those that are left hold less: bring it back".into())
        }
    }
}

/// What was saved is not in the archive any more, though somebody is left who holds as much: it is
/// saved once more.
fn is_to_be_saved_again(observed: &Observed, loss: &Loss, saved: &BackupRef) -> bool {
    let is_leaving = |number| observed.pods.get(&number).is_some_and(|pod| pod.terminating);
    let mut staying = loss.survivors.iter().filter(|survivor| !is_leaving(survivor.number));
    let is_gone =
        matches!(observed.archive, Archive::Known { .. }) && !observed.archive.holds(saved);
    is_gone && staying.any(|survivor| survivor.revision >= Some(saved.revision))
}

/// The survivors hold nothing that `saved` does not, as far as they tell.
fn replace(restoring: Restoring<'_>, loss: &Loss, saved: &BackupRef) -> Plan {
    let Restoring { desired, observed, .. } = restoring;
    let wait = |message| Plan::wait(Phase::Recovering, Recheck::Later, message);
    let is_leaving = |number| observed.pods.get(&number).is_some_and(|pod| pod.terminating);
    let staying = || loss.survivors.iter().filter(|survivor| !is_leaving(survivor.number));
    let silent = staying().filter(|survivor| survivor.revision.is_none()).map(|s| s.number);
    let silent: Vec<u32> = silent.collect();
    if !silent.is_empty() {
        return wait(format!(
            "recovering: more may be left than backup {} holds, so nothing is deleted until these \
             tell how far their data goes: {}; {}",
            saved.id,
            states(desired, observed, silent.iter().copied()),
            locked::advice(desired, observed, &silent)
        ));
    }
    let Some(survivor) = staying().next() else {
        let left = loss.survivors.iter().map(|survivor| survivor.number);
        return wait(format!("recovering: waiting for {}", states(desired, observed, left)));
    };
    if let Some(why) = unseen(&observed.archive, saved) {
        return wait(format!(
            "recovering: nothing is deleted while the archive is not seen to hold backup {}: {why}",
            saved.id
        ));
    }
    let why = format!(
        "deleting pod {}: all that it holds is in backup {} (revision {})",
        desired.cluster.member(survivor.number),
        saved.id,
        saved.revision
    );
    Plan::act(Phase::Recovering, Step::DeletePod { number: survivor.number }, why)
}

/// Pods that are being deleted, unless nothing runs there any more.
fn leaving(restoring: Restoring<'_>) -> Option<Plan> {
    let old = restoring.observed.pods.range(..restoring.restore.first);
    let mut leaving = old.filter(|(_, pod)| pod.node != NodeState::Gone);
    let (&number, _) = leaving.next()?;
    let name = restoring.desired.cluster.member(number);
    let message = format!("waiting until pod {name} is gone");
    Some(Plan::wait(restoring.phase(), Recheck::Soon, message))
}
