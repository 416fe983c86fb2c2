//! The conditions `Recovering` and `Unrecoverable`, and the Events of restores. Both conditions appear
//! with the first recovery and say afterwards how it ended.

use api::condition::{self, reason, status};
use api::v1beta1::{ClusterStatus, RestoreCause};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use planner::{Cause, Phase, Plan, Record, RestoreRecord, Stage, Step};

use super::Happening;
use super::conditions::Claim;

/// What is claimed of a recovery; `now` is the status as it is written by now.
pub fn claims(now: &ClusterStatus, plan: &Plan, before: &[Condition]) -> Vec<Claim> {
    [recovering(now, plan, before), unrecoverable(plan, before)].into_iter().flatten().collect()
}

fn recovering(now: &ClusterStatus, plan: &Plan, before: &[Condition]) -> Option<Claim> {
    let type_ = condition::RECOVERING;
    let is_recorded = now.restore.as_ref().is_some_and(|it| it.cause == RestoreCause::Recovery);
    if is_recorded || plan.phase == Phase::Recovering {
        return Some((type_, status::TRUE, reason::RESTORING, plan.message.clone()));
    }
    let old = before.iter().find(|other| other.type_ == type_)?;
    if old.status == status::FALSE {
        let known = [reason::RESTORED, reason::QUORUM_BACK].into_iter();
        let reason = known.into_iter().find(|known| *known == old.reason)?;
        return Some((type_, status::FALSE, reason, old.message.clone()));
    }
    // The restore that ended last is this one, unless the recovery was called off.
    let restored = now.last_restore.as_ref().filter(|last| last.cause == RestoreCause::Recovery);
    let restored = restored.filter(|last| last.time.0 >= old.last_transition_time.0);
    if let Some(message) = restored.and_then(|last| last.message.clone()) {
        return Some((type_, status::FALSE, reason::RESTORED, message));
    }
    let why = "the quorum came back by itself, and nothing was restored";
    Some((type_, status::FALSE, reason::QUORUM_BACK, why.into()))
}

fn unrecoverable(plan: &Plan, before: &[Condition]) -> Option<Claim> {
    let type_ = condition::UNRECOVERABLE;
    if plan.phase == Phase::Unrecoverable {
        return Some((type_, status::TRUE, reason::NO_USABLE_BACKUP, plan.message.clone()));
    }
    before.iter().find(|other| other.type_ == type_)?;
    let why = "nothing is lost for which there is no backup";
    Some((type_, status::FALSE, reason::AS_SPECIFIED, why.into()))
}

/// What a finished step of a restore is told as; `before` is what was recorded before it.
pub fn happening(step: &Step, plan: &Plan, before: &Record) -> Option<Happening> {
    let told = |warning, reason, note: &str| {
        Some(Happening { warning, reason, note: note.to_owned(), pod: None })
    };
    match step {
        Step::RecordRestore(record) => {
            let (warning, reason) = of_record(record, before);
            told(warning, reason, &plan.message)
        }
        Step::AbortRecovery => told(false, "RecoveryCalledOff", &plan.message),
        _ => None,
    }
}

fn of_record(record: &RestoreRecord, before: &Record) -> (bool, &'static str) {
    let refused = before.restore.as_ref().map_or(0, |restore| restore.refused.len());
    match (&record.stage, record.cause) {
        _ if record.refused.len() > refused => (true, "BackupRefused"),
        (_, Cause::Manual) => (false, "RestoreBegun"),
        (_, Cause::Recovery(number)) if number > before.recoveries => (true, "RecoveryBegun"),
        (Stage::Saving { .. }, _) => (true, "SnapshotRepeated"),
        (Stage::Restoring { .. }, _) => (false, "SurvivorSaved"),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use planner::{BackupRef, Recheck};

    use super::*;

    fn plan(phase: Phase) -> Plan {
        Plan { phase, message: "why".into(), step: None, recheck: Recheck::Soon }
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: "old".into(),
            observed_generation: None,
            last_transition_time: Time("2026-11-24T03:00:09Z".parse().unwrap()),
        }
    }

    fn restored_at(time: &str) -> ClusterStatus {
        let backup = serde_json::json!({
            "id": "b", "manifestDigest": "ab", "location": "s3://b", "revision": 4,
            "finishTime": "2026-11-24T02:00:00Z",
        });
        serde_json::from_value(serde_json::json!({"lastRestore": {
            "cause": "Recovery", "backup": backup, "revision": 5, "time": time, "message": "b is back",
        }}))
        .unwrap()
    }

    fn record(cause: Cause, refused: &[&str]) -> RestoreRecord {
        let backup = BackupRef {
            id: "b".into(),
            manifest_digest: "ab".into(),
            location: "s3://b".into(),
            revision: 4,
            cluster_id: None,
            finished: "2026-11-24T02:00:00Z".parse().unwrap(),
        };
        RestoreRecord {
            cause,
            first: 3,
            stage: Stage::Restoring { backup, saved: None },
            refused: refused.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_cluster_that_never_recovered_says_nothing_of_it() {
        assert!(claims(&ClusterStatus::default(), &plan(Phase::Running), &[]).is_empty());
    }

    #[test]
    fn the_end_of_a_recovery_says_what_came_back() {
        let before = [condition(condition::RECOVERING, status::TRUE, reason::RESTORING)];
        let now = restored_at("2026-11-24T03:00:30Z");
        let ended = claims(&now, &plan(Phase::Healing), &before);
        assert_eq!(ended[0].1, status::FALSE);
        assert_eq!((ended[0].2, ended[0].3.as_str()), (reason::RESTORED, "b is back"));
        let earlier = restored_at("2026-11-20T00:00:00Z");
        let called_off = claims(&earlier, &plan(Phase::Healing), &before);
        assert_eq!(called_off[0].2, reason::QUORUM_BACK);
    }

    #[test]
    fn what_was_said_of_the_last_recovery_stays() {
        let before = [condition(condition::RECOVERING, status::FALSE, reason::RESTORED)];
        let claims = claims(&ClusterStatus::default(), &plan(Phase::Running), &before);
        assert_eq!((claims[0].1, claims[0].3.as_str()), (status::FALSE, "old"));
    }

    #[test]
    fn nothing_to_restore_is_unrecoverable_for_as_long_as_that_is_so() {
        let now = ClusterStatus::default();
        let lost = claims(&now, &plan(Phase::Unrecoverable), &[]);
        assert_eq!((lost[0].0, lost[0].1), (condition::UNRECOVERABLE, status::TRUE));
        let before = [condition(condition::UNRECOVERABLE, status::TRUE, reason::NO_USABLE_BACKUP)];
        let found = claims(&now, &plan(Phase::Recovering), &before);
        assert_eq!((found[1].0, found[1].1), (condition::UNRECOVERABLE, status::FALSE));
    }

    #[test]
    fn each_record_is_told_as_what_it_means() {
        let begun = Record { recoveries: 1, ..Record::default() };
        for (record, before, expected) in [
            (record(Cause::Recovery(1), &[]), &Record::default(), "RecoveryBegun"),
            (record(Cause::Recovery(1), &[]), &begun, "SurvivorSaved"),
            (record(Cause::Recovery(1), &["a"]), &begun, "BackupRefused"),
            (record(Cause::Manual, &[]), &Record::default(), "RestoreBegun"),
        ] {
            let step = Step::RecordRestore(record);
            let told = happening(&step, &plan(Phase::Recovering), before).unwrap();
            assert_eq!((told.reason, told.note.as_str()), (expected, "why"));
        }
    }
}
