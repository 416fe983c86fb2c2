//! The standard conditions.

use api::condition::{self, reason, status};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use planner::{Phase, Plan, PodState, quorum};

use super::{alarms, recovery};
use crate::observe::Sight;
use crate::validate::Validated;

/// The conditions after this look; a condition that did not change keeps its transition time.
pub fn conditions(
    cluster: &Validated,
    sight: &Sight,
    plan: &Plan,
    before: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let mut all = vec![available(sight, plan), progressing(sight, plan), degraded(sight, plan)];
    all.push(paused(cluster));
    let written = sight.cluster.status.clone().unwrap_or_default();
    all.extend(recovery::claims(&written, plan, before));
    for unmet in &cluster.unmet {
        match all.iter_mut().find(|(type_, ..)| *type_ == unmet.condition) {
            Some((.., message)) => *message = format!("{message}; {}", unmet.message),
            None => all.push((unmet.condition, status::TRUE, unmet.reason, unmet.message.clone())),
        }
    }
    let generation = sight.cluster.metadata.generation;
    all.into_iter().map(|claim| kept(claim, before, generation, now)).collect()
}

/// Type, status, reason, message.
pub type Claim = (&'static str, &'static str, &'static str, String);

fn available(sight: &Sight, plan: &Plan) -> Claim {
    let type_ = condition::AVAILABLE;
    let Some(members) = sight.members() else {
        if is_locked(sight, plan) {
            // A restored first member is in no service before the operator could finish.
            let is_served = sight.observed.has_served() && sight.observed.record.restore.is_none();
            let status = if is_served { status::TRUE } else { status::FALSE };
            return (type_, status, reason::AUTH_REQUIRED, plan.message.clone());
        }
        let why = match plan.phase {
            Phase::QuorumLost | Phase::Recovering | Phase::Unrecoverable => reason::QUORUM_LOST,
            Phase::Creating => reason::CREATING,
            Phase::Failed => reason::WAITING,
            _ => reason::NO_QUORUM,
        };
        return (type_, status::FALSE, why, "no quorum of members answers".into());
    };
    let voters: Vec<_> = members.members.iter().filter(|member| !member.learner).collect();
    let healthy = voters.iter().filter(|voter| voter.healthy).count();
    let message = format!("{healthy} of {} voters are healthy", voters.len());
    if let Some((reason, alarm)) = alarms::told(sight) {
        return (type_, status::FALSE, reason, format!("{alarm}; {message}"));
    }
    if healthy >= quorum(voters.len()) {
        (type_, status::TRUE, reason::QUORUM_HEALTHY, message)
    } else {
        (type_, status::FALSE, reason::NO_QUORUM, message)
    }
}

/// Nothing but a user of etcd's is missing.
fn is_locked(sight: &Sight, plan: &Plan) -> bool {
    let mut pods = sight.observed.pods.values();
    plan.phase == Phase::Failed && pods.any(|pod| matches!(pod.state, PodState::Locked { .. }))
}

fn progressing(sight: &Sight, plan: &Plan) -> Claim {
    let (status, reason) = match plan.phase {
        Phase::Failed if is_locked(sight, plan) => (status::FALSE, reason::AUTH_REQUIRED),
        Phase::Creating => (status::TRUE, reason::CREATING),
        Phase::Scaling => (status::TRUE, reason::SCALING),
        Phase::Healing => (status::TRUE, reason::HEALING),
        Phase::Running => (status::FALSE, reason::AS_SPECIFIED),
        Phase::Paused => (status::FALSE, reason::PAUSED),
        Phase::NoQuorum => (status::FALSE, reason::NO_QUORUM),
        Phase::QuorumLost | Phase::Unrecoverable => (status::FALSE, reason::QUORUM_LOST),
        Phase::Recovering => (status::TRUE, reason::QUORUM_LOST),
        Phase::Failed => (status::FALSE, reason::WAITING),
    };
    (condition::PROGRESSING, status, reason, plan.message.clone())
}

fn degraded(sight: &Sight, plan: &Plan) -> Claim {
    let type_ = condition::DEGRADED;
    match (sight.members(), plan.phase) {
        (_, Phase::QuorumLost | Phase::Recovering | Phase::Unrecoverable) => {
            (type_, status::TRUE, reason::QUORUM_LOST, plan.message.clone())
        }
        (_, Phase::NoQuorum) => (type_, status::TRUE, reason::NO_QUORUM, plan.message.clone()),
        (_, Phase::Failed) if is_locked(sight, plan) => {
            (type_, status::TRUE, reason::AUTH_REQUIRED, plan.message.clone())
        }
        (_, Phase::Failed) => (type_, status::TRUE, reason::WAITING, plan.message.clone()),
        (Some(members), _) => {
            if let Some((reason, alarm)) = alarms::told(sight) {
                return (type_, status::TRUE, reason, alarm);
            }
            let ailing = members.members.iter().filter(|member| !member.learner && !member.healthy);
            match ailing.count() {
                0 => {
                    (type_, status::FALSE, reason::MEMBERS_HEALTHY, "every voter is healthy".into())
                }
                n => {
                    let message = format!("{n} voters are not healthy; see memberStatuses");
                    (type_, status::TRUE, reason::MEMBER_UNHEALTHY, message)
                }
            }
        }
        (None, _) if sight.observed.has_served() => {
            (type_, status::TRUE, reason::NO_QUORUM, "no quorum of members answers".into())
        }
        (None, _) => (type_, status::FALSE, reason::CREATING, "no member has served yet".into()),
    }
}

fn paused(cluster: &Validated) -> Claim {
    let (status, reason, message) = if cluster.desired.paused {
        (status::TRUE, reason::PAUSED, "nothing is changed until spec.paused is false")
    } else {
        (status::FALSE, reason::NOT_PAUSED, "spec.paused is false")
    };
    (condition::PAUSED, status, reason, message.into())
}

fn kept(claim: Claim, before: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let (type_, status, reason, message) = claim;
    let earlier = before.iter().find(|other| other.type_ == type_ && other.status == status);
    // Kubernetes keeps whole seconds; a fraction would differ from what is read back.
    let seconds = || Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    Condition {
        last_transition_time: earlier
            .map_or_else(seconds, |condition| condition.last_transition_time.clone()),
        message,
        observed_generation: generation,
        reason: reason.into(),
        status: status.into(),
        type_: type_.into(),
    }
}
