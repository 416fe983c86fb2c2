//! The conditions `Recovering` and `Unrecoverable`, and the Events of restores. Both conditions appear
//! with the first recovery and say afterwards how it ended.

use api::condition::{self, reason, status};
use api::v1beta1::{ClusterStatus, RestoreCause};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use planner::{Cause, Phase, Plan, Record, RestoreRecord, Stage, Step};

use super::Happening;
use super::conditions::Claim;
use crate::objects;
use crate::observe::Sight;

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
    let restored = restored.filter(|last| match &plan.step {
        Some(Step::FinishRestore { .. }) => true,
        Some(Step::AbortRecovery) => false,
        // Whoever ended it did not come to say so.
        _ => last.time.0 >= old.last_transition_time.0,
    });
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

/// The message of a cluster that was paused before the services led to what was restored says so.
pub fn beside(message: &str, sight: &Sight, plan: &Plan) -> String {
    let names: Vec<String> = objects::kept_out(sight).map(|pod| pod.name_any()).collect();
    if plan.phase != Phase::Paused || names.is_empty() {
        return message.to_owned();
    }
    format!("{message}; until then no client reaches {}, which was restored", names.join(", "))
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
    let stage = before.restore.as_ref().map(|restore| &restore.stage);
    let chose = matches!(stage, Some(Stage::Restoring { .. }));
    match (&record.stage, record.cause) {
        _ if record.refused.len() > refused => (true, "BackupRefused"),
        (_, Cause::Manual) => (false, "RestoreBegun"),
        (_, Cause::Recovery(number)) if number > before.recoveries => (true, "RecoveryBegun"),
        (Stage::Saving { .. }, _) => (true, "SnapshotRepeated"),
        (Stage::Restoring { .. }, _) if chose => (false, "NewerBackupFound"),
        (Stage::Restoring { .. }, _) => (false, "SurvivorSaved"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::labels;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use planner::{BackupRef, Recheck};

    use super::*;
    use crate::observe::EtcdView;

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
    fn clocks_do_not_decide_whether_anything_was_restored() {
        let before = [condition(condition::RECOVERING, status::TRUE, reason::RESTORING)];
        for (time, step, expected) in [
            (
                "2026-11-24T02:00:00Z",
                Step::FinishRestore { cluster_id: 7, number: 3 },
                reason::RESTORED,
            ),
            ("2026-11-24T04:00:00Z", Step::AbortRecovery, reason::QUORUM_BACK),
        ] {
            let plan = Plan { step: Some(step), ..plan(Phase::Recovering) };
            let plan = Plan { phase: Phase::Healing, ..plan };
            assert_eq!(claims(&restored_at(time), &plan, &before)[0].2, expected);
        }
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

    /// A member from a backup, with this label, in a cluster whose restore is finished or not.
    fn restored(component: &str, restore: &serde_json::Value) -> Sight {
        let cluster: api::v1beta1::Cluster = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
            "spec": {"size": 1},
            "status": {"served": true, "restore": restore, "memberStatuses":
                [{"name": "orders-0003", "role": "Leader", "health": "Healthy"}]},
        }))
        .unwrap();
        let pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "orders-0003", "labels": {labels::COMPONENT: component}}
        }));
        Sight {
            name: crate::validate::validate(&cluster).name,
            cluster: Arc::new(cluster),
            pods: [(3, Arc::new(pod.unwrap()))].into(),
            etcd: EtcdView { answers: [].into(), list: None },
            observed: planner::Observed {
                record: Record::default(),
                pods: [].into(),
                membership: planner::Membership::Unknown,
                stranded: [].into(),
                archive: planner::Archive::NoPolicy,
                source: planner::Source::None,
            },
            chosen: None,
        }
    }

    #[test]
    fn a_pause_that_keeps_clients_from_what_was_restored_says_so() {
        let said = |sight: &Sight, phase| beside("paused", sight, &plan(phase));
        let kept_out = restored("restoring-member", &serde_json::Value::Null);
        let message = said(&kept_out, Phase::Paused);
        assert!(message.contains("no client reaches orders-0003"), "{message}");
        // It is let in by the very look that says so.
        assert_eq!(said(&kept_out, Phase::Healing), "paused");
        let member = restored(labels::COMPONENT_MEMBER, &serde_json::Value::Null);
        assert_eq!(said(&member, Phase::Paused), "paused");
        let under_way =
            serde_json::json!({"cause": "Recovery", "firstMember": 3, "stage": "Saving"});
        assert_eq!(said(&restored("restoring-member", &under_way), Phase::Paused), "paused");
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
