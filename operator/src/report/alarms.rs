//! What etcd's alarms mean for clients, and who does what about them.
//!
//! An alarm of one member stops all: with NOSPACE every write is refused, with CORRUPT every read too.

use std::collections::BTreeSet;

use api::condition::reason;
use etcd::{Alarm, AlarmKind, ClusterId};

use crate::observe::Sight;

/// Reason and sentence of the worst alarm; none while there is none.
pub fn told(sight: &Sight) -> Option<(&'static str, String)> {
    let alarms = sight.etcd.alarms(sight.observed.record.cluster_id.map(ClusterId));
    let is_there = |alarm: &&Alarm| is_of_member(sight, alarm);
    let all = |kind| alarms.iter().filter(move |it| it.kind == kind);
    let of = |kind| all(kind).filter(is_there).copied().collect::<Vec<_>>();
    let (corrupt, full) = (of(AlarmKind::Corrupt), of(AlarmKind::NoSpace));
    if !corrupt.is_empty() {
        let message = format!(
            "etcd answers no reads and no writes, since it has found members whose data differs \
             ({}): see which copy is right, delete the pod of the other to have it replaced, and run \
             `etcdctl alarm disarm`",
            names(sight, &corrupt)
        );
        return Some((reason::CORRUPT, message));
    }
    if all(AlarmKind::Corrupt).next().is_some() {
        return Some((reason::CORRUPT, of_nobody("answers no reads and no writes", "CORRUPT")));
    }
    let message = || {
        format!(
            "etcd refuses writes, since the database of {} is full: compact, run `etcdctl defrag` \
             on every member, then `etcdctl alarm disarm`",
            names(sight, &full)
        )
    };
    if !full.is_empty() {
        return Some((reason::NO_SPACE, message()));
    }
    let of_nobody = || of_nobody("refuses writes", "NOSPACE");
    all(AlarmKind::NoSpace).next().map(|_| (reason::NO_SPACE, of_nobody()))
}

/// Whether the alarm is about one of the members; as long as these are not known it may be.
fn is_of_member(sight: &Sight, alarm: &Alarm) -> bool {
    let is_it = |member: &planner::Member| member.id == alarm.member_id.0;
    // etcd's words did not name the member.
    alarm.member_id.0 == 0 || sight.members().is_none_or(|all| all.members.iter().any(is_it))
}

/// It was removed, or the alarm came with a backup: nothing is wrong with those that are there.
fn of_nobody(what: &str, kind: &str) -> String {
    format!(
        "etcd {what}, since a {kind} alarm is up of a member that is there no more: run `etcdctl \
         alarm disarm`; no member needs to be replaced for it"
    )
}

/// The message of a cluster in which an alarm is up says that too.
pub fn beside(message: &str, sight: &Sight) -> String {
    match told(sight) {
        Some((_, alarm)) => format!("{alarm}; {message}"),
        None => message.to_owned(),
    }
}

/// The members that the alarms are about.
fn names(sight: &Sight, alarms: &[Alarm]) -> String {
    let name = |alarm: &Alarm| {
        let is_it = |status: &etcd::MemberStatus| status.member_id == alarm.member_id;
        let mut answers = sight.etcd.answers.iter();
        let number = answers.find(|(_, answer)| answer.status.as_ref().is_ok_and(is_it));
        number.map_or_else(
            || "one that is not known".to_owned(),
            |(&number, _)| sight.name.member(number),
        )
    };
    let names: BTreeSet<String> = alarms.iter().map(name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use api::condition;
    use api::v1beta1::{Cluster, ClusterStatus};
    use etcd::{MemberId, MemberStatus};
    use planner::{Membership, Observed, Phase, Plan, Recheck, Record};
    use serde_json::json;

    use super::*;
    use crate::observe::{Answer, EtcdView};
    use crate::report;
    use crate::validate::validate;

    /// A cluster of one member that complains of this.
    fn sight(complaint: &str) -> Sight {
        let cluster: Cluster = serde_json::from_value(json!({
            "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
            "spec": {"size": 1}, "status": {"served": true, "clusterId": "c"},
        }))
        .unwrap();
        let name = validate(&cluster).name;
        let status = MemberStatus {
            member_id: MemberId(7),
            cluster_id: ClusterId(0xc),
            version: "3.6.16".into(),
            storage_version: "3.6.0".into(),
            db_size: 1,
            db_size_in_use: 1,
            leader: Some(MemberId(7)),
            revision: 1,
            raft_term: 1,
            raft_index: 1,
            raft_applied_index: 1,
            is_learner: false,
            errors: vec![complaint.into()],
        };
        let member = planner::Member {
            id: 7,
            number: Some(3),
            started: true,
            learner: false,
            healthy: true,
        };
        let members = planner::Members {
            cluster_id: 0xc,
            leader: Some(7),
            learner_limit: 1,
            members: vec![member],
        };
        let answer = Answer { client: None, status: Ok(status) };
        Sight {
            cluster: Arc::new(cluster),
            name,
            pods: BTreeMap::new(),
            etcd: EtcdView { answers: BTreeMap::from([(3, answer)]), list: None },
            observed: Observed {
                record: Record { served: true, cluster_id: Some(0xc), ..Record::default() },
                pods: BTreeMap::new(),
                membership: Membership::Known(members),
                stranded: BTreeMap::new(),
                archive: planner::Archive::NoPolicy,
                source: planner::Source::None,
            },
            chosen: None,
        }
    }

    fn report(complaint: &str) -> ClusterStatus {
        let sight = sight(complaint);
        let message = "the only member is healthy".to_owned();
        let plan = Plan { phase: Phase::Running, message, step: None, recheck: Recheck::AtRest };
        let now = "2026-11-24T03:00:09Z".parse().unwrap();
        report::status(&validate(&sight.cluster), &sight, &plan, &plan.message, now)
    }

    fn claim(status: &ClusterStatus, type_: &str) -> (String, String) {
        let condition = status.conditions.iter().find(|one| one.type_ == type_).unwrap();
        (condition.status.clone(), condition.reason.clone())
    }

    #[test]
    fn an_alarm_is_said_everywhere_with_what_to_do_about_it() {
        for (complaint, reason, remedy) in [
            ("memberID:7 alarm:NOSPACE ", reason::NO_SPACE, "defrag"),
            ("memberID:7 alarm:CORRUPT ", reason::CORRUPT, "delete the pod of the other"),
        ] {
            let status = report(complaint);
            let said = |status: &str| (status.to_owned(), reason.to_owned());
            assert_eq!(claim(&status, condition::AVAILABLE), said("False"));
            assert_eq!(claim(&status, condition::DEGRADED), said("True"));
            let message = status.message.clone().unwrap();
            assert!(message.contains(remedy) && message.contains("orders-0003"), "{message}");
            let events = |before: &ClusterStatus, after: &ClusterStatus| {
                let name = sight(complaint).name;
                let plan = Plan {
                    phase: Phase::Running,
                    message: String::new(),
                    step: None,
                    recheck: Recheck::AtRest,
                };
                let all = report::happenings(&name, &Record::default(), before, after, &plan, None);
                all.into_iter().map(|one| (one.warning, one.reason)).collect::<Vec<_>>()
            };
            assert_eq!(events(&report("etcdserver: no leader"), &status), [(true, reason)]);
            assert_eq!(events(&status, &status), []);
        }
    }

    #[test]
    fn an_alarm_of_a_member_that_is_there_no_more_is_no_reason_to_delete_anybody() {
        for (complaint, reason) in [
            ("memberID:12345 alarm:NOSPACE ", reason::NO_SPACE),
            ("memberID:12345 alarm:CORRUPT ", reason::CORRUPT),
        ] {
            let status = report(complaint);
            assert_eq!(claim(&status, condition::AVAILABLE), ("False".into(), reason.to_owned()));
            let message = status.message.unwrap();
            assert!(message.contains("a member that is there no more"), "{message}");
            assert!(!message.contains("delete the pod"), "{message}");
        }
    }

    #[test]
    fn without_an_alarm_the_cluster_is_available() {
        let status = report("etcdserver: no leader");
        assert_eq!(claim(&status, condition::AVAILABLE).0, "True");
        assert_eq!(status.message.as_deref(), Some("the only member is healthy"));
    }
}
