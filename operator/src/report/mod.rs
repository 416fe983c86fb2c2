//! What the person on call sees: the status, made purely from what was seen and decided.

mod alarms;
mod conditions;
mod events;
mod recovery;
mod rows;

use api::v1beta1::{ClusterStatus, MembersStatus, Phase};
use api::{labels, objects, ports};
use jiff::Timestamp;
use kube::ResourceExt;
use planner::Plan;

pub use events::{Happening, clash, happenings, step_name};

use crate::observe::Sight;
use crate::validate::Validated;

/// The status after this look. Equal to the one before when nothing changed.
pub fn status(
    cluster: &Validated,
    sight: &Sight,
    plan: &Plan,
    message: &str,
    now: Timestamp,
) -> ClusterStatus {
    let before = sight.cluster.status.clone().unwrap_or_default();
    let rows = rows::rows(sight, &before.member_statuses, now);
    let (ready, unready) = rows::by_readiness(sight, &rows);
    let started = before.served || !sight.pods.is_empty() || before.next_member > 0;
    ClusterStatus {
        phase: Some(phase(plan.phase)),
        message: Some(alarms::beside(&recovery::beside(message, sight, plan), sight)),
        observed_generation: sight.cluster.metadata.generation,
        size: members(sight).or(before.size).or(Some(0)),
        ready: Some(format!("{}/{}", rows::ready_voters(&rows, &ready), cluster.desired.size)),
        selector: Some(labels::member_selector_text(&cluster.name.name, &cluster.uid)),
        members: Some(MembersStatus { ready, unready }),
        current_version: before
            .current_version
            .clone()
            .filter(|_| before.served)
            .or(started.then(|| cluster.version.clone())),
        target_version: None,
        cluster_id: before.cluster_id.clone(),
        next_member: before.next_member,
        reached_size: match plan.phase {
            planner::Phase::Running => i32::try_from(cluster.desired.size).unwrap_or_default(),
            _ => before.reached_size,
        },
        served: before.served,
        recoveries: before.recoveries,
        restore: before.restore.clone(),
        last_restore: before.last_restore.clone(),
        highest_revision: before.highest_revision,
        service_name: before.served.then(|| objects::client_service(&sight.cluster.name_any())),
        client_port: before.served.then_some(i32::from(ports::CLIENT)),
        backup_service_status: before.backup_service_status.clone(),
        conditions: conditions::conditions(cluster, sight, plan, &before.conditions, now),
        member_statuses: rows,
    }
}

fn members(sight: &Sight) -> Option<i32> {
    i32::try_from(sight.members()?.members.len()).ok()
}

fn phase(phase: planner::Phase) -> Phase {
    match phase {
        planner::Phase::Creating => Phase::Creating,
        planner::Phase::Running => Phase::Running,
        planner::Phase::Scaling => Phase::Scaling,
        planner::Phase::Healing => Phase::Healing,
        planner::Phase::NoQuorum => Phase::NoQuorum,
        planner::Phase::QuorumLost => Phase::QuorumLost,
        planner::Phase::Recovering => Phase::Recovering,
        planner::Phase::Unrecoverable => Phase::Unrecoverable,
        planner::Phase::Paused => Phase::Paused,
        planner::Phase::Failed => Phase::Failed,
    }
}
