//! A backup was refused by whoever was to restore it: another follows only where that loses
//! nothing that is known to be stored.

use std::collections::BTreeSet;

use crate::restore::Restoring;
use crate::{
    Archive, BackupRef, Cause, Phase, Plan, Recheck, RestoreRecord, Source, Stage, Step, flawed,
};

/// The pod with this number says `why`. It is kept until the next backup is recorded, since it is
/// what remembers the refusal.
pub(crate) fn plan(restoring: Restoring<'_>, number: u32, why: &str) -> Plan {
    let Restoring { desired, restore, backup, saved, .. } = restoring;
    let member = desired.cluster.member(number);
    let told = format!("{member} refused backup {}: {why}", backup.id);
    if restore.cause == Cause::Manual {
        return manual(restoring, &told);
    }
    let mut refused = restore.refused.clone();
    refused.insert(backup.id.clone());
    let next = match next(restoring, &refused) {
        Ok(Some(next)) => next.clone(),
        Ok(None) => return nothing_else(restoring, refused, &told),
        Err(why) => {
            let message = format!("{told}; waiting for the backup sidecar to name another: {why}");
            return Plan::wait(Phase::Recovering, Recheck::Later, message);
        }
    };
    let why = format!(
        "{told}; restoring {} instead (revision {}, finished {}): what was written after it is lost{}",
        next.id,
        next.revision,
        next.finished,
        flawed::told(&restoring.observed.archive, Some(&next))
    );
    refused.extend(flawed::ids(&restoring.observed.archive, &next));
    let stage = Stage::Restoring { backup: next, saved: saved.cloned() };
    let step = Step::RecordRestore(RestoreRecord { stage, refused, ..restore.clone() });
    Plan::act(Phase::Recovering, step, why)
}

/// Every backup was refused. A person may bring sound copies back, and then the newest is wanted: so
/// that is the one whose pod stays and tries again by itself, and not the oldest, which came last.
fn nothing_else(restoring: Restoring<'_>, refused: BTreeSet<String>, told: &str) -> Plan {
    let Restoring { observed, restore, backup, saved, .. } = restoring;
    let plan = unrecoverable(restoring, told);
    let newest = observed.archive.newest(&BTreeSet::new());
    let Some(newest) = newest.filter(|newest| saved.is_none() && newest.id != backup.id) else {
        return plan;
    };
    let why = format!("{}; the newest, {}, is tried again", plan.message, newest.id);
    let stage = Stage::Restoring { backup: newest.clone(), saved: None };
    let step = Step::RecordRestore(RestoreRecord { stage, refused, ..restore.clone() });
    Plan::act(plan.phase, step, why)
}

/// With what a survivor held, only a backup that contains all of it; otherwise the newest that is
/// left. An error while the archive does not say which there are.
fn next<'a>(
    restoring: Restoring<'a>,
    refused: &BTreeSet<String>,
) -> Result<Option<&'a BackupRef>, String> {
    let Restoring { observed, saved, .. } = restoring;
    let archive = &observed.archive;
    if let Some(saved) = saved {
        return Ok(archive.fullest(saved, observed.record.cluster_id, refused));
    }
    match archive {
        Archive::Known { .. } => {
            let newest = archive.newest(refused);
            flawed::unread(archive, newest).map_or(Ok(newest), Err)
        }
        Archive::Unknown(why) => Err(why.clone()),
        Archive::NoPolicy => Err("there is no backup policy any more".into()),
    }
}

/// A person chose, so a person chooses again.
fn manual(restoring: Restoring<'_>, told: &str) -> Plan {
    let another = match &restoring.observed.source {
        Source::Found { before: Some(before), .. } => {
            format!("the one before it is {before}: name it in spec.restore")
        }
        _ => "name another one in spec.restore".to_owned(),
    };
    let message = format!(
        "{told}; nothing else is restored by itself, and nothing starts empty: delete this cluster \
         and create it again; {another}"
    );
    Plan::wait(Phase::Failed, Recheck::Later, message)
}

fn unrecoverable(restoring: Restoring<'_>, told: &str) -> Plan {
    let why = match restoring.saved {
        Some(saved) => format!(
            "{told}; backup {} is all that the last members held, and no older one is restored in \
             its place",
            saved.id
        ),
        None => format!("{told}; there is no other backup"),
    };
    crate::recovery::unrecoverable(&why)
}
