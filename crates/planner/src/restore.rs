//! The next first member starts from a backup: for a new cluster whose data a person wants back,
//! and for one whose quorum is lost.
//!
//! What was there before goes first, one pod at a time, each on evidence of its own: a survivor
//! only while the archive holds all that it holds. Until the restore is finished no client reaches
//! the first member, so it may be made anew whenever it does not come up.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::clearing;
use crate::saving::{self, Saving};
use crate::{
    BackupRef, Cause, Desired, Members, Membership, Observed, Phase, Plan, Pod, PodState, Recheck,
    RestoreRecord, Role, Source, Stage, Step, bootstrap, flawed, locked, refusal,
};

/// A new cluster is to get its data from a backup: which one is written down first.
pub(crate) fn begin(observed: &Observed) -> Plan {
    let wait = |phase, message| Plan::wait(phase, Recheck::Later, message);
    let backup = match &observed.source {
        Source::None => {
            let message = "nothing is created until it is looked for what to restore".to_owned();
            return wait(Phase::Creating, message);
        }
        Source::Unresolved(why) => {
            let message = format!("nothing is created until it is known what to restore: {why}");
            return wait(Phase::Creating, message);
        }
        Source::Missing(why) => {
            let message = format!("there is no backup to restore, and nothing starts empty: {why}");
            return wait(Phase::Failed, message);
        }
        Source::Found { backup, .. } => backup.clone(),
    };
    let Some(first) = observed.next_number() else {
        return wait(Phase::Failed, "no member number is left".to_owned());
    };
    let why =
        format!("recording that backup {} (revision {}) is restored", backup.id, backup.revision);
    let stage = Stage::Restoring { backup, saved: None };
    let record = RestoreRecord { cause: Cause::Manual, first, stage, refused: [].into() };
    Plan::act(Phase::Creating, Step::RecordRestore(record), why)
}

/// Goes on with a restore that was begun.
pub(crate) fn plan(
    desired: &Desired,
    observed: &Observed,
    restore: &RestoreRecord,
    now: Timestamp,
) -> Plan {
    if restore.cause != Cause::Manual && quorum_is_back(observed, restore) {
        let why = "the quorum is back: the recovery is called off, and what it made goes";
        return Plan::act(Phase::Healing, Step::AbortRecovery, why);
    }
    match &restore.stage {
        Stage::Saving { survivor, order } => {
            let saving = Saving { survivor: *survivor, order: *order };
            saving::plan(desired, observed, restore, saving, now)
        }
        Stage::Restoring { backup, saved } => {
            let saved = saved.as_ref();
            Restoring { desired, observed, restore, backup, saved }.plan(now)
        }
    }
}

/// Those that were there before answer with a quorum, which has all that was ever acknowledged: no
/// client reached what was made since.
fn quorum_is_back(observed: &Observed, restore: &RestoreRecord) -> bool {
    let is_old = |members: &Members| members.numbers().iter().any(|number| *number < restore.first);
    observed.believed().is_ok_and(is_old)
}

/// A restore of which the backup is recorded, beside what was seen.
#[derive(Clone, Copy)]
pub(crate) struct Restoring<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) restore: &'a RestoreRecord,
    pub(crate) backup: &'a BackupRef,
    pub(crate) saved: Option<&'a BackupRef>,
}

impl<'a> Restoring<'a> {
    fn plan(self, now: Timestamp) -> Plan {
        let seed = self.seed();
        if let Some(plan) = self.newer() {
            return plan;
        }
        if let Some(plan) = clearing::leftover(self, seed.map(|(number, _)| number)) {
            return plan;
        }
        let Some((number, pod)) = seed else {
            return clearing::survivor(self).unwrap_or_else(|| self.create());
        };
        if let Some(members) = self.answer(number) {
            return self.finish(number, pod, members.cluster_id);
        }
        if let PodState::RestoreRefused(why) = &pod.state {
            return refusal::plan(self, number, why);
        }
        if let Some(plan) = locked::first_member(self.desired, self.observed, number) {
            return plan;
        }
        match bootstrap::hopeless(self.desired, pod, now) {
            Some(why) => self.delete(number, why),
            None => self.wait(number, pod),
        }
    }

    /// A newer backup than the recorded one was found that nobody refused: no client has reached what
    /// was made from the older one. What a survivor held is not given up for one.
    fn newer(self) -> Option<Plan> {
        let archive = &self.observed.archive;
        let is_asked = self.restore.cause != Cause::Manual && self.saved.is_none();
        let newest = archive.newest(&self.restore.refused)?;
        let is_newer = archive.holds(self.backup) && newest.is_newer(self.backup);
        if !is_asked || !is_newer || flawed::unread(archive, Some(newest)).is_some() {
            return None;
        }
        let why = format!(
            "recording that the newer backup {} (revision {}) is restored instead of {}{}",
            newest.id,
            newest.revision,
            self.backup.id,
            flawed::told(archive, Some(newest))
        );
        let stage = Stage::Restoring { backup: newest.clone(), saved: None };
        let step = Step::RecordRestore(RestoreRecord { stage, ..self.restore.clone() });
        Some(Plan::act(self.phase(), step, why))
    }

    /// The first member of this restore: of several the one that is known to hold data, then the
    /// one that answers.
    fn seed(self) -> Option<(u32, &'a Pod)> {
        let is_from_it = |pod: &Pod| pod.role == Role::Restored(self.backup.id.clone());
        let made = self.observed.pods.range(self.restore.first..);
        let seeds = made.filter(|(_, pod)| !pod.terminating && is_from_it(pod));
        let rank = |number, pod: &Pod| (pod.marked, self.answer(number).is_some(), Reverse(number));
        seeds.map(|(&number, pod)| (number, pod)).max_by_key(|(number, pod)| rank(*number, pod))
    }

    /// The membership that this first member answers with: another etcd cluster than the one that
    /// was lost, and nobody in it who was there before.
    fn answer(self, number: u32) -> Option<&'a Members> {
        let Membership::Known(members) = &self.observed.membership else { return None };
        let numbers = members.numbers();
        let is_new = numbers.iter().all(|number| *number >= self.restore.first)
            && self.observed.record.cluster_id != Some(members.cluster_id);
        (is_new && numbers.contains(&number)).then_some(members)
    }

    /// It serves: its pod is marked before that is recorded, as with any first member.
    fn finish(self, number: u32, pod: &Pod, cluster_id: u64) -> Plan {
        let name = self.desired.cluster.member(number);
        if !pod.marked {
            let why = format!("marking that {name} holds data");
            return Plan::act(self.phase(), Step::MarkServed { number }, why);
        }
        let why = format!("recording that {name} serves what was in backup {}", self.backup.id);
        Plan::act(self.phase(), Step::FinishRestore { cluster_id, number }, why)
    }

    fn create(self) -> Plan {
        let backup = Some(self.backup.clone());
        let plan = bootstrap::create(self.desired, self.observed, backup);
        let phase = if plan.phase == Phase::Creating { self.phase() } else { plan.phase };
        Plan { phase, ..plan }
    }

    fn delete(self, number: u32, why: &str) -> Plan {
        let name = self.desired.cluster.member(number);
        let why = format!("deleting pod {name}, whose data is in the archive: {why}");
        Plan::act(self.phase(), Step::DeletePod { number }, why)
    }

    fn wait(self, number: u32, pod: &Pod) -> Plan {
        let (name, backup) = (self.desired.cluster.member(number), &self.backup.id);
        let state = bootstrap::state(pod);
        let message = format!("waiting for the first member {name} from backup {backup}: {state}");
        Plan::wait(self.phase(), Recheck::Soon, message)
    }

    /// While it is under way.
    pub(crate) fn phase(self) -> Phase {
        match self.restore.cause {
            Cause::Manual => Phase::Creating,
            Cause::Recovery(_) => Phase::Recovering,
        }
    }
}
