//! A recovery that stores what a survivor holds. Nothing is deleted before that is stored.

use jiff::{SignedDuration, Timestamp};

use crate::loss::Loss;
use crate::lost;
use crate::recovery;
use crate::{
    Archive, BackupRef, Desired, Observed, Order, Phase, Plan, Recheck, RestoreRecord, Stage, Step,
};

/// An order that failed is followed by another after this long.
const ORDER_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// The survivor that is saved, and how often that was ordered before.
#[derive(Clone, Copy)]
pub(crate) struct Saving {
    pub(crate) survivor: u32,
    pub(crate) order: u32,
}

pub(crate) fn plan(
    desired: &Desired,
    observed: &Observed,
    restore: &RestoreRecord,
    saving: Saving,
    now: Timestamp,
) -> Plan {
    let loss = Loss::of(observed, restore.first);
    if !loss.is_lost() {
        return lost::wait(desired, observed, &loss, "the recovery waits, since it may come back");
    }
    let member = desired.cluster.member(saving.survivor);
    if !loss.survivors.iter().any(|survivor| survivor.number == saving.survivor) {
        return survivor_is_gone(observed, &member)
            .unwrap_or_else(|| recovery::begin(desired, observed, &loss));
    }
    let wait = |why: &str| {
        let message = format!("recovering: {why}; no member is deleted before {member} is saved");
        Plan::wait(Phase::Recovering, Recheck::Later, message)
    };
    match &observed.archive {
        Archive::NoPolicy => wait("there is no backup policy any more: set spec.backup again"),
        Archive::Unknown(why) => wait(&format!("the backup sidecar does not answer: {why}")),
        Archive::Known { order, .. } => match order {
            Order::None => order_snapshot(observed, saving, &member)
                .unwrap_or_else(|| wait("the record does not say for which recovery")),
            Order::Pending { why: None } => wait("the snapshot waits for its turn"),
            Order::Pending { why: Some(why) } => {
                wait(&format!("the snapshot failed and is tried again: {why}"))
            }
            Order::Uploading => wait("the snapshot is being stored"),
            Order::Failed { at, .. } if is_long_ago(*at, now) => {
                again(restore, saving, &format!("ordering the snapshot of {member} again"))
            }
            Order::Failed { why, .. } => {
                wait(&format!("the snapshot failed and is ordered again: {why}"))
            }
            Order::Stored(backup) => stored(observed, restore, saving, backup),
        },
    }
}

/// The time is of the sidecar's clock: one that is far ahead says nothing, and keeps nobody waiting.
fn is_long_ago(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).abs() >= ORDER_AGAIN_AFTER
}

/// What was read of it before may be all that there is: nothing older is taken as long as that may
/// still be stored.
fn survivor_is_gone(observed: &Observed, member: &str) -> Option<Plan> {
    let Archive::Known { order: Order::Uploading, .. } = &observed.archive else { return None };
    let message = format!(
        "recovering: {member} is gone by now; nothing is restored until it is known whether what was \
         read of it is stored"
    );
    Some(Plan::wait(Phase::Recovering, Recheck::Later, message))
}

fn order_snapshot(observed: &Observed, saving: Saving, member: &str) -> Option<Plan> {
    let id = observed.record.order_id()?;
    let step = Step::OrderSnapshot { number: saving.survivor, id };
    Some(Plan::act(Phase::Recovering, step, format!("storing what {member} holds")))
}

fn again(restore: &RestoreRecord, saving: Saving, why: &str) -> Plan {
    let order = saving.order.saturating_add(1);
    let stage = Stage::Saving { survivor: saving.survivor, order };
    Plan::act(Phase::Recovering, record(restore, stage), why)
}

/// It is stored; unless the survivor turned out to hold more meanwhile, this is what is restored.
fn stored(observed: &Observed, restore: &RestoreRecord, saving: Saving, saved: &BackupRef) -> Plan {
    if observed.stranded.get(&saving.survivor).is_some_and(|held| *held > saved.revision) {
        return again(restore, saving, "the survivor holds more by now: storing that too");
    }
    let record_id = observed.record.cluster_id;
    let Some(backup) = observed.archive.fullest(saved, record_id, &restore.refused) else {
        return again(restore, saving, "what was stored was refused before: storing it once more");
    };
    let why =
        format!("recording that backup {} (revision {}) is restored", backup.id, backup.revision);
    let stage = Stage::Restoring { backup: backup.clone(), saved: Some(saved.clone()) };
    Plan::act(Phase::Recovering, record(restore, stage), why)
}

fn record(restore: &RestoreRecord, stage: Stage) -> Step {
    Step::RecordRestore(RestoreRecord { stage, ..restore.clone() })
}
