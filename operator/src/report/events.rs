//! Kubernetes Events: one for each change of state and none for looking.

use api::condition::reason::{CORRUPT, NO_SPACE};
use api::v1beta1::{ClusterStatus, Phase};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};
use planner::name::ClusterName;
use planner::{Plan, Record, Step};

use super::recovery;
use crate::act::Outcome;
use crate::error::Error;

/// Something that happened, in the form of an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Whether a person should look.
    pub warning: bool,
    /// CamelCase, fixed.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
    /// The pod it is about, if it is about one.
    pub pod: Option<String>,
}

impl Happening {
    /// As the recorder takes it.
    pub fn event(&self, namespace: &str) -> Event {
        // The recorder counts Events that differ in their note alone as one, under the first
        // note: the pod tells them apart.
        let secondary = self.pod.as_ref().map(|pod| ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.clone()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        });
        Event {
            type_: if self.warning { EventType::Warning } else { EventType::Normal },
            reason: self.reason.into(),
            // The API server refuses more than 1 KiB.
            note: Some(self.note.chars().take(900).collect()),
            action: self.reason.into(),
            secondary,
        }
    }
}

/// What happened between two statuses, and by the step of this reconcile, which was decided on what
/// `record` says.
pub fn happenings(
    cluster: &ClusterName,
    record: &Record,
    before: &ClusterStatus,
    after: &ClusterStatus,
    plan: &Plan,
    outcome: Option<&Outcome>,
) -> Vec<Happening> {
    let done = plan.step.as_ref().filter(|_| outcome == Some(&Outcome::Done));
    let step = done.and_then(|step| {
        of_step(step, cluster).or_else(|| recovery::happening(step, plan, record))
    });
    let phase = (before.phase != after.phase).then(|| of_phase(after)).flatten();
    let claims = after.conditions.iter().filter(|now| is_new_claim(before, now));
    let unmet = claims.map(|condition| Happening {
        warning: true,
        reason: if condition.type_ == api::condition::UNSUPPORTED_VERSION {
            api::condition::UNSUPPORTED_VERSION
        } else {
            api::condition::UNSUPPORTED_FIELD
        },
        note: condition.message.clone(),
        pod: None,
    });
    let alarm = after.conditions.iter().find(|now| is_new_alarm(before, now));
    let alarm = alarm.map(|condition| Happening {
        warning: true,
        reason: if condition.reason == NO_SPACE { NO_SPACE } else { CORRUPT },
        note: condition.message.clone(),
        pod: None,
    });
    step.into_iter().chain(phase).chain(unmet).chain(alarm).collect()
}

/// A name that is somebody else's: told once, however much else the message says meanwhile.
pub fn clash(before: &ClusterStatus, after: &ClusterStatus, error: &Error) -> Option<Happening> {
    let note = error.sentence();
    let says =
        |status: &ClusterStatus| status.message.as_ref().is_some_and(|it| it.contains(&note));
    let is_new = matches!(error, Error::Clash { .. }) && says(after) && !says(before);
    is_new.then(|| Happening { warning: true, reason: error.reason(), note, pod: None })
}

/// An alarm of etcd's is told when it is raised, and another one when that is.
fn is_new_alarm(before: &ClusterStatus, now: &Condition) -> bool {
    let is = |it: &Condition| it.type_ == api::condition::DEGRADED && it.reason == now.reason;
    is(now)
        && [NO_SPACE, CORRUPT].contains(&now.reason.as_str())
        && !before.conditions.iter().any(is)
}

fn is_new_claim(before: &ClusterStatus, now: &Condition) -> bool {
    let unmet = [api::condition::UNSUPPORTED_VERSION, api::condition::UNSUPPORTED_FIELD];
    let was = before.conditions.iter().find(|condition| condition.type_ == now.type_);
    unmet.contains(&now.type_.as_str()) && was.is_none_or(|was| was.message != now.message)
}

/// What a finished step did; nothing for the operator's own book-keeping.
fn of_step(step: &Step, cluster: &ClusterName) -> Option<Happening> {
    let (reason, number, what) = match step {
        Step::CreateSeed { number, .. } => ("PodCreated", number, "created as the first member"),
        Step::CreateJoiner { number, .. } => ("PodCreated", number, "created; it waits to join"),
        Step::DeletePod { number } => ("PodDeleted", number, "deleted"),
        Step::AddLearner { number } => ("LearnerAdded", number, "added to etcd without a vote"),
        Step::Promote { number, .. } => ("MemberPromoted", number, "has a vote now"),
        Step::RemoveMember { number, .. } => ("MemberRemoved", number, "removed from etcd"),
        Step::MoveLeader { number, .. } => ("LeaderMoved", number, "leads now"),
        Step::OrderSnapshot { number, .. } => {
            ("SnapshotOrdered", number, "is stored before the cluster is made anew")
        }
        Step::FinishRestore { number, .. } => ("Restored", number, "serves what was restored"),
        Step::MarkServed { .. }
        | Step::RecordServed { .. }
        | Step::RecordRestore(_)
        | Step::AbortRecovery => return None,
    };
    let pod = cluster.member(*number);
    Some(Happening { warning: false, reason, note: format!("{pod} {what}"), pod: Some(pod) })
}

/// The step's name as a metric label.
pub fn step_name(step: &Step) -> &'static str {
    match step {
        Step::CreateSeed { .. } => "CreateSeed",
        Step::CreateJoiner { .. } => "CreateJoiner",
        Step::MarkServed { .. } => "MarkServed",
        Step::RecordServed { .. } => "RecordServed",
        Step::DeletePod { .. } => "DeletePod",
        Step::AddLearner { .. } => "AddLearner",
        Step::Promote { .. } => "Promote",
        Step::RemoveMember { .. } => "RemoveMember",
        Step::MoveLeader { .. } => "MoveLeader",
        Step::RecordRestore(_) => "RecordRestore",
        Step::OrderSnapshot { .. } => "OrderSnapshot",
        Step::FinishRestore { .. } => "FinishRestore",
        Step::AbortRecovery => "AbortRecovery",
    }
}

fn of_phase(after: &ClusterStatus) -> Option<Happening> {
    let (warning, reason) = match after.phase? {
        Phase::Running => (false, "Running"),
        Phase::Scaling => (false, "Scaling"),
        Phase::Paused => (false, "Paused"),
        Phase::Healing => (true, "Healing"),
        Phase::NoQuorum => (true, "NoQuorum"),
        Phase::QuorumLost => (true, "QuorumLost"),
        Phase::Recovering => (true, "Recovering"),
        Phase::Unrecoverable => (true, "Unrecoverable"),
        Phase::Failed => (true, "Failed"),
        Phase::Creating | Phase::Unknown => return None,
    };
    let note = after.message.clone().unwrap_or_default();
    Some(Happening { warning, reason, note, pod: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use planner::Recheck;

    fn cluster() -> ClusterName {
        ClusterName { namespace: "shop".into(), name: "orders".into() }
    }

    fn plan(step: Option<Step>) -> Plan {
        let message = "as planned".to_owned();
        Plan { phase: planner::Phase::Healing, message, step, recheck: Recheck::Soon }
    }

    fn status(phase: Phase) -> ClusterStatus {
        ClusterStatus { phase: Some(phase), message: Some("why".into()), ..Default::default() }
    }

    #[test]
    fn looking_again_tells_nothing() {
        let same = status(Phase::Healing);
        assert_eq!(happenings(&cluster(), &Record::default(), &same, &same, &plan(None), None), []);
    }

    #[test]
    fn a_step_is_told_when_it_is_done_and_not_when_etcd_said_not_yet() {
        let same = status(Phase::Healing);
        let plan = plan(Some(Step::Promote { id: 7, number: 3 }));
        let not_yet = Outcome::NotYet("wait".into());
        assert_eq!(
            happenings(&cluster(), &Record::default(), &same, &same, &plan, Some(&not_yet)),
            []
        );
        let told =
            happenings(&cluster(), &Record::default(), &same, &same, &plan, Some(&Outcome::Done));
        assert_eq!(told[0].reason, "MemberPromoted");
        assert_eq!(told[0].note, "orders-0003 has a vote now");
    }

    #[test]
    fn a_name_that_is_taken_is_told_once_and_other_failures_are_not() {
        let (before, after) = (status(Phase::Running), status(Phase::Healing));
        let taken = Error::Clash { kind: "Pod", name: "orders-0003".into() };
        let says = |what: &str| Some(format!("{what}: {}", taken.sentence()));
        let after = ClusterStatus { message: says("removing orders-0003"), ..after };
        let told = clash(&before, &after, &taken).unwrap();
        assert!(told.warning && told.reason == "NameClash", "{told:?}");
        // The next step says it too, and it is no news.
        let later = ClusterStatus { message: says("adding orders-0004"), ..after.clone() };
        assert_eq!(clash(&after, &later, &taken), None);
        assert_eq!(clash(&before, &after, &Error::Conflict { what: "a test" }), None);
    }

    #[test]
    fn a_new_phase_is_told_once_and_trouble_is_a_warning() {
        let (before, after) = (status(Phase::Running), status(Phase::QuorumLost));
        let told = happenings(&cluster(), &Record::default(), &before, &after, &plan(None), None);
        assert_eq!(told.len(), 1);
        assert!(told[0].warning && told[0].reason == "QuorumLost" && told[0].note == "why");
    }
}
