//! Kubernetes Events: one for each change of state and none for looking.

use api::v1beta1::{ClusterStatus, Phase};
use kube::runtime::events::{Event, EventType};
use planner::{Plan, Step};

use crate::act::Outcome;

/// Something that happened, in the form of an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// Whether a person should look.
    pub warning: bool,
    /// CamelCase, fixed.
    pub reason: &'static str,
    /// A sentence.
    pub note: String,
}

impl Happening {
    /// As the recorder takes it; `action` is required by the API and says who acted.
    pub fn event(&self) -> Event {
        Event {
            type_: if self.warning { EventType::Warning } else { EventType::Normal },
            reason: self.reason.into(),
            // The API server refuses more than 1 KiB.
            note: Some(self.note.chars().take(1000).collect()),
            action: "Reconcile".into(),
            secondary: None,
        }
    }
}

/// What happened between two statuses, and by the step of this reconcile.
pub fn happenings(
    before: &ClusterStatus,
    after: &ClusterStatus,
    plan: &Plan,
    outcome: Option<&Outcome>,
) -> Vec<Happening> {
    let done = plan.step.as_ref().filter(|_| outcome == Some(&Outcome::Done));
    let step = done.and_then(|step| {
        Some(Happening { warning: false, reason: step_reason(step)?, note: plan.message.clone() })
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
    });
    step.into_iter().chain(phase).chain(unmet).collect()
}

fn is_new_claim(
    before: &ClusterStatus,
    now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition,
) -> bool {
    let unmet = [api::condition::UNSUPPORTED_VERSION, api::condition::UNSUPPORTED_FIELD];
    let was = before.conditions.iter().find(|condition| condition.type_ == now.type_);
    unmet.contains(&now.type_.as_str()) && was.is_none_or(|was| was.message != now.message)
}

/// The word for a finished step; none for the operator's own book-keeping.
fn step_reason(step: &Step) -> Option<&'static str> {
    Some(match step {
        Step::CreateSeed { .. } | Step::CreateJoiner { .. } => "PodCreated",
        Step::DeletePod { .. } => "PodDeleted",
        Step::AddLearner { .. } => "LearnerAdded",
        Step::Promote { .. } => "MemberPromoted",
        Step::RemoveMember { .. } => "MemberRemoved",
        Step::MoveLeader { .. } => "LeaderMoved",
        Step::MarkServed { .. } | Step::RecordServed { .. } => return None,
    })
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
        Phase::Failed => (true, "Failed"),
        Phase::Creating | Phase::Unknown => return None,
    };
    Some(Happening { warning, reason, note: after.message.clone().unwrap_or_default() })
}
