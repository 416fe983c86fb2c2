//! One row a member.

use std::sync::Arc;

use api::v1beta1::{Health, MemberStatus, Role};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use planner::{Member, PodState};

use crate::observe::Sight;

/// A database grows all the time; the row follows when it has grown or shrunk by a tenth, so that
/// a cluster that is written to does not cost a status write at every look.
const NOTEWORTHY: i64 = 10;

/// The rows after this look. While the membership is unknown the rows stay, since they say who
/// the voters are, and only their health changes.
pub fn rows(sight: &Sight, before: &[MemberStatus], now: Timestamp) -> Vec<MemberStatus> {
    let mut rows: Vec<MemberStatus> = match sight.members() {
        Some(members) => members
            .members
            .iter()
            .map(|member| of_member(sight, member, members.leader, before, now))
            .collect(),
        None => before.iter().map(|row| without_quorum(sight, row, now)).collect(),
    };
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

fn of_member(
    sight: &Sight,
    member: &Member,
    leader: Option<u64>,
    before: &[MemberStatus],
    now: Timestamp,
) -> MemberStatus {
    let name = member.number.map_or_else(
        || format!("foreign-{}", etcd::MemberId(member.id)),
        |number| sight.name.member(number),
    );
    let role = match member {
        Member { started: false, .. } => Role::Unstarted,
        Member { learner: true, .. } => Role::Learner,
        Member { id, .. } if Some(*id) == leader => Role::Leader,
        _ => Role::Follower,
    };
    let earlier = before.iter().find(|row| row.name == name);
    let health = if member.healthy { Health::Healthy } else { Health::Unhealthy };
    let answer = member.number.and_then(|number| sight.etcd.answers.get(&number));
    let status = answer.and_then(|answer| answer.status.as_ref().ok());
    let size = status.and_then(|status| i64::try_from(status.db_size).ok());
    MemberStatus {
        id: Some(etcd::MemberId(member.id).to_string()),
        role,
        health,
        message: (!member.healthy).then(|| trouble(sight, member.number)),
        version: status
            .map(|status| status.version.clone())
            .or_else(|| earlier.and_then(|row| row.version.clone())),
        db_size_bytes: noteworthy(size, earlier.and_then(|row| row.db_size_bytes)),
        node: node(sight, member.number).or_else(|| earlier.and_then(|row| row.node.clone())),
        since: since(earlier, health, now),
        name,
    }
}

fn without_quorum(sight: &Sight, row: &MemberStatus, now: Timestamp) -> MemberStatus {
    let number = sight.name.number(&row.name);
    let mut after = row.clone();
    after.health = Health::Unhealthy;
    after.message = Some(trouble(sight, number));
    after.node = node(sight, number).or_else(|| row.node.clone());
    after.since = since(Some(row), after.health, now);
    after
}

fn since(earlier: Option<&MemberStatus>, health: Health, now: Timestamp) -> Option<Time> {
    let unchanged = earlier.filter(|row| row.health == health);
    let seconds = || Timestamp::from_second(now.as_second()).unwrap_or(now);
    unchanged.and_then(|row| row.since.clone()).or_else(|| Some(Time(seconds())))
}

fn noteworthy(now: Option<i64>, before: Option<i64>) -> Option<i64> {
    match (now, before) {
        (Some(now), Some(before)) if (now - before).abs() <= before / NOTEWORTHY => Some(before),
        (Some(now), _) => Some(now),
        (None, before) => before,
    }
}

/// Why a member is not healthy, in words.
fn trouble(sight: &Sight, number: Option<u32>) -> String {
    let Some(number) = number else { return "the operator did not add it".into() };
    let Some(pod) = sight.observed.pods.get(&number) else { return "it has no pod".into() };
    match &pod.state {
        _ if pod.terminating => "its pod is being deleted".into(),
        PodState::Pending(why) => format!("its pod is pending: {why}"),
        PodState::Outdated => "its pod was made from an earlier spec".into(),
        PodState::Gated => "its guard has not let it start".into(),
        PodState::DataLost => "its data is gone".into(),
        PodState::RestoreRefused(why) => format!("its backup was refused: {why}"),
        PodState::CrashLooping(_) => "it crash-loops".into(),
        PodState::Failed(_) => "its pod failed".into(),
        PodState::Locked { .. } => "it asks for a user and a password".into(),
        PodState::Unlabelled => "its pod's labels were changed".into(),
        PodState::Corrupt => "its data differs from the others'".into(),
        PodState::Running { .. } => match sight.etcd.answers.get(&number).map(|a| &a.status) {
            Some(Err(error)) => format!("it does not answer: {}", error.reason()),
            Some(Ok(status)) if status.leader.is_none() => "it sees no leader".into(),
            _ => "it starts".into(),
        },
    }
}

fn node(sight: &Sight, number: Option<u32>) -> Option<String> {
    sight.pods.get(&number?)?.spec.as_ref()?.node_name.clone()
}

/// Names of the members whose pods are ready and of those whose are not.
pub fn by_readiness(sight: &Sight, rows: &[MemberStatus]) -> (Vec<String>, Vec<String>) {
    let is_ready = |row: &MemberStatus| {
        let number = sight.name.number(&row.name);
        let pod = number.and_then(|number| sight.pods.get(&number));
        row.health == Health::Healthy && pod.is_some_and(pod_is_ready)
    };
    let (ready, unready): (Vec<_>, Vec<_>) = rows.iter().partition(|row| is_ready(row));
    let names = |rows: Vec<&MemberStatus>| rows.into_iter().map(|row| row.name.clone()).collect();
    (names(ready), names(unready))
}

/// How many of the ready members vote.
pub fn ready_voters(rows: &[MemberStatus], ready: &[String]) -> usize {
    let votes = |row: &&MemberStatus| matches!(row.role, Role::Leader | Role::Follower);
    rows.iter().filter(votes).filter(|row| ready.contains(&row.name)).count()
}

fn pod_is_ready(pod: &Arc<Pod>) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    let ready =
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests {
    use super::noteworthy;

    #[test]
    fn a_database_that_grows_a_little_changes_nothing() {
        assert_eq!(noteworthy(Some(1_050), Some(1_000)), Some(1_000));
        assert_eq!(noteworthy(Some(1_200), Some(1_000)), Some(1_200));
        assert_eq!(noteworthy(Some(500), Some(1_000)), Some(500));
        assert_eq!(noteworthy(None, Some(1_000)), Some(1_000));
    }
}
