//! The quorum is lost for good: whether and from what the cluster is brought back.
//!
//! With survivors: from the one that holds the most, once that is in the archive. Without: from
//! the newest backup, and before the first one was stored from the backup of another cluster that
//! this one began with. With none of these nothing is touched. What was begun is in the record;
//! `saving` and `restore` go on from there.

use std::collections::BTreeSet;

use crate::loss::Loss;
use crate::lost::states;
use crate::{
    APPROVAL, Archive, BackupRef, Cause, Desired, Observed, Phase, Plan, QuorumLoss, Recheck,
    RestoreRecord, Source, Stage, Step, flawed, locked,
};

/// Begins a recovery or begins it anew, because what it counted on is no longer so. Nothing was
/// deleted yet that is not in the archive.
pub(crate) fn begin(desired: &Desired, observed: &Observed, loss: &Loss) -> Plan {
    let told = loss.told(desired);
    let wait =
        |why: String| Plan::wait(Phase::QuorumLost, Recheck::Later, format!("{told}; {why}"));
    if observed.believed().is_ok() {
        return wait("yet somebody answers for it, so nothing is done".into());
    }
    match &observed.archive {
        Archive::NoPolicy => return without_policy(desired, loss),
        Archive::Unknown(why) => {
            return wait(format!("nothing is done until the backup sidecar answers: {why}"));
        }
        Archive::Known { .. } => {}
    }
    // Whoever tells is saved at once; only what would be deleted or restored waits for all others.
    let is_silent = loss.fullest().is_some_and(|fullest| fullest.revision.is_none());
    if is_silent {
        return wait(silence(desired, observed, loss));
    }
    let Some((stage, how)) = stage(desired, observed, loss) else {
        return without_backup(observed, &told);
    };
    if let Some(why) = unread(observed, &stage) {
        return wait(why);
    }
    if let Some(missing) = unapproved(desired, loss) {
        return wait(format!("{missing}; then {how}"));
    }
    let Some((step, first)) = record(observed, stage) else {
        return wait("no member number is left".into());
    };
    let seed = desired.cluster.member(first);
    Plan::act(Phase::Recovering, step, format!("{told}; beginning the recovery: {how}, as {seed}"))
}

/// Nobody that is left tells how far its data goes.
fn silence(desired: &Desired, observed: &Observed, loss: &Loss) -> String {
    let silent: Vec<u32> = loss.silent().collect();
    format!(
        "nothing is deleted or restored, since more may be left than any backup holds, until these \
         tell how far their data goes: {}; {}",
        states(desired, observed, silent.iter().copied()),
        locked::advice(desired, observed, &silent)
    )
}

/// What comes next, and the words for it.
fn stage(desired: &Desired, observed: &Observed, loss: &Loss) -> Option<(Stage, String)> {
    if let Some(survivor) = loss.fullest() {
        let how = format!(
            "what {} holds (up to revision {}) is stored, and the cluster is made anew from that",
            desired.cluster.member(survivor.number),
            survivor.revision.unwrap_or_default()
        );
        return Some((Stage::Saving { survivor: survivor.number, order: 0 }, how));
    }
    let (backup, which) = match observed.archive.newest(&refused(observed)) {
        Some(newest) => (newest, "the newest backup"),
        None => (
            origin(desired, observed)?,
            "the backup that it began with, having none of its own yet,",
        ),
    };
    let how = format!(
        "no member is left, so the cluster is made anew from {which} {} (revision {}, finished {}){}",
        backup.id,
        backup.revision,
        backup.finished,
        flawed::told(&observed.archive, Some(backup))
    );
    Some((Stage::Restoring { backup: backup.clone(), saved: None }, how))
}

/// Why what is stored is not known well enough to take this backup.
fn unread(observed: &Observed, stage: &Stage) -> Option<String> {
    match stage {
        Stage::Restoring { backup, .. } => flawed::unread(&observed.archive, Some(backup)),
        Stage::Saving { .. } => None,
    }
}

/// What this cluster began with, if nothing of its own is stored and that was not refused. Of a
/// backup of its own that is damaged or was refused it would be an unsaid step back.
fn origin<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a BackupRef> {
    let Source::Found { backup, .. } = &observed.source else { return None };
    let has_none = observed.archive.backups().is_empty()
        && flawed::newer(&observed.archive, None).count() == 0;
    let is_all = has_none && refused(observed).is_empty();
    (is_all && desired.from_backup).then_some(backup)
}

/// Nobody is left, and the archive holds nothing.
fn without_backup(observed: &Observed, told: &str) -> Plan {
    let stored = flawed::told(&observed.archive, None);
    if let Some(why) = flawed::unread(&observed.archive, None) {
        return Plan::wait(Phase::QuorumLost, Recheck::Later, format!("{told}; {why}"));
    }
    match &observed.source {
        Source::Unresolved(why) => Plan::wait(
            Phase::QuorumLost,
            Recheck::Later,
            format!(
                "{told}; nothing is left and there is no backup of it; looking for the one that \
                     it began with: {why}"
            ),
        ),
        Source::Missing(why) => {
            let none = "nothing is left and there is no backup of it";
            unrecoverable(&format!("{told}; {none}{stored}; {why}"))
        }
        Source::None | Source::Found { .. } => {
            unrecoverable(&format!("{told}; nothing is left and there is no backup{stored}"))
        }
    }
}

fn record(observed: &Observed, stage: Stage) -> Option<(Step, u32)> {
    let first = observed.next_number()?;
    let cause = Cause::Recovery(observed.record.recoveries.saturating_add(1));
    let mut refused = refused(observed);
    if let Stage::Restoring { backup, .. } = &stage {
        refused.extend(flawed::ids(&observed.archive, backup));
    }
    Some((Step::RecordRestore(RestoreRecord { cause, first, stage, refused }), first))
}

/// What this recovery found to be refused before it was begun anew.
fn refused(observed: &Observed) -> BTreeSet<String> {
    observed.record.restore.as_ref().map(|restore| restore.refused.clone()).unwrap_or_default()
}

/// What a person must do first, if anything.
fn unapproved(desired: &Desired, loss: &Loss) -> Option<String> {
    let wanted = loss.identity(desired);
    if desired.approved.as_ref().is_some_and(|approved| approved.trim() == wanted) {
        return None;
    }
    let why = match desired.quorum_loss {
        QuorumLoss::Manual => "spec.recovery.quorumLoss is Manual",
        QuorumLoss::Automatic if loss.is_presumed => {
            "the nodes cannot be read, so the pods that are gone may still run"
        }
        QuorumLoss::Automatic => return None,
    };
    let name = &desired.cluster.name;
    Some(format!(
        "nothing is done until a person approves, because {why}: `kubectl annotate --overwrite \
         etcd {name} {APPROVAL}={wanted}`"
    ))
}

/// Nobody can store anything: what is left is the only copy.
fn without_policy(desired: &Desired, loss: &Loss) -> Plan {
    let told = loss.told(desired);
    let Some(survivor) = loss.fullest() else {
        return unrecoverable(&format!(
            "{told}; nothing is left, and there is no backup policy: if backups of this cluster are \
             stored, set spec.backup to where they are"
        ));
    };
    let (member, namespace) = (desired.cluster.member(survivor.number), &desired.cluster.namespace);
    let message = format!(
        "{told}; there is no backup policy, so nothing is deleted: save what {member} holds with \
         `kubectl -n {namespace} port-forward pod/{member} 2379` and `etcdctl \
         --endpoints=127.0.0.1:2379 snapshot save {member}.db`, and restore that into a new \
         cluster; or set spec.backup"
    );
    Plan::wait(Phase::QuorumLost, Recheck::Later, message)
}

/// Nothing to restore: everything stays as it is, and nothing starts empty.
pub(crate) fn unrecoverable(why: &str) -> Plan {
    let message = format!(
        "{why}; everything is kept and nothing is started empty; a person must decide: put a \
         backup into the archive, or restore one from elsewhere into a new cluster"
    );
    Plan::wait(Phase::Unrecoverable, Recheck::Later, message)
}
