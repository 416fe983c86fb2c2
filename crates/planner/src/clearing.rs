//! What was there before a restore goes, one pod at a time.

use crate::loss::{Loss, Survivor};
use crate::lost::{self, states};
use crate::recovery;
use crate::restore::Restoring;
use crate::{BackupRef, Cause, NodeState, Phase, Plan, Pod, Recheck, Step};

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
    Some(replace(restoring, &loss, saved))
}

/// The survivors hold nothing that `saved` does not, as far as they tell.
fn replace(restoring: Restoring<'_>, loss: &Loss, saved: &BackupRef) -> Plan {
    let Restoring { desired, observed, .. } = restoring;
    let wait = |message| Plan::wait(Phase::Recovering, Recheck::Later, message);
    let is_leaving = |number| observed.pods.get(&number).is_some_and(|pod| pod.terminating);
    let staying = || loss.survivors.iter().filter(|survivor| !is_leaving(survivor.number));
    let silent = staying().filter(|survivor| survivor.revision.is_none()).map(|s| s.number);
    let silent = states(desired, observed, silent);
    if !silent.is_empty() {
        return wait(format!(
            "recovering: more may be left than backup {} holds, so nothing is deleted until these \
             tell how far their data goes: {silent}; to declare one lost, delete its pod, and if \
             its node is not ready, the Node",
            saved.id
        ));
    }
    let Some(survivor) = staying().next() else {
        let left = loss.survivors.iter().map(|survivor| survivor.number);
        return wait(format!("recovering: waiting for {}", states(desired, observed, left)));
    };
    if !observed.archive.holds(saved) {
        return wait(format!(
            "recovering: nothing is deleted while the archive is not seen to hold backup {}",
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
