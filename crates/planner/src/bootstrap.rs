//! A cluster that never served: its first member.
//!
//! Nothing is stored in it, so a first member that is wedged may go with its volume. (etcd killed
//! between creating its log and its first save never starts again: measured, `switched to
//! configuration voters=()`.)

use jiff::{SignedDuration, Timestamp};

use crate::verdict::LOCKED;
use crate::{
    BackupRef, Desired, Members, NodeState, Observed, Phase, Plan, Pod, PodState, Recheck, Role,
    Step,
};

/// A first member that was started again and does not answer for this long is wedged. One that
/// starts on an empty directory answers within a second.
const WEDGED_AFTER: SignedDuration = SignedDuration::from_secs(15);

/// A pod that failed before its member held data is made anew after this long, so that a node that
/// refuses every pod does not use up a number a second.
pub(crate) const FAILED_FOR: SignedDuration = SignedDuration::from_secs(10);

/// Nobody answers: there is a first member to make, to wait for or to make anew.
pub(crate) fn plan(desired: &Desired, observed: &Observed, now: Timestamp) -> Plan {
    let mut alive = observed.pods.iter().filter(|(_, pod)| !pod.terminating);
    let Some((&number, pod)) = alive.next() else { return create(desired, observed, None) };
    if let Some((&other, _)) = alive.next() {
        return delete(desired, other, "there is an earlier first member");
    }
    match hopeless(desired, pod, now) {
        Some(why) => delete(desired, number, why),
        None => wait(desired, number, pod),
    }
}

/// Creates a first member, whose data comes from a backup if one is given.
pub(crate) fn create(desired: &Desired, observed: &Observed, restore: Option<BackupRef>) -> Plan {
    let Some(number) = observed.next_number() else {
        let message = "no member number is left; create the cluster under another name";
        return Plan::wait(Phase::Failed, Recheck::AtRest, message);
    };
    let mut why = format!("creating the first member {}", desired.cluster.member(number));
    if let Some(backup) = &restore {
        why = format!("{why} from backup {} (revision {})", backup.id, backup.revision);
    }
    Plan::act(Phase::Creating, Step::CreateSeed { number, restore }, why)
}

fn delete(desired: &Desired, number: u32, why: &str) -> Plan {
    let name = desired.cluster.member(number);
    let why = format!("deleting pod {name}, which never held data: {why}");
    Plan::act(Phase::Creating, Step::DeletePod { number }, why)
}

fn wait(desired: &Desired, number: u32, pod: &Pod) -> Plan {
    let name = desired.cluster.member(number);
    let message = format!("waiting for the first member {name}: {}", state(pod));
    Plan::wait(Phase::Creating, Recheck::Soon, message)
}

/// What a first member is at.
pub(crate) fn state(pod: &Pod) -> String {
    match &pod.state {
        _ if matches!(pod.node, NodeState::Away(_)) => "its node is not ready".to_owned(),
        PodState::Pending(why) => format!("its pod is pending: {why}"),
        PodState::CrashLooping(_) => "it crash-loops; see its log".to_owned(),
        PodState::Failed(_) => "its pod failed and is made anew".to_owned(),
        PodState::Locked { .. } => LOCKED.to_owned(),
        PodState::Running { ready: true, .. } => "it is ready but does not answer yet".to_owned(),
        _ => "it starts".to_owned(),
    }
}

/// It answers. Any other pod goes first, since it may be a first member too: two of them would be
/// two clusters. Then its pod is marked before anything is recorded, and the client service exists
/// only after that: no client can have written to a member whose guard does not know of it.
pub(crate) fn serves(desired: &Desired, observed: &Observed, members: &Members) -> Plan {
    let numbers = members.numbers();
    let mut alive = observed.pods.iter().filter(|(_, pod)| !pod.terminating);
    if let Some((&other, _)) = alive.clone().find(|(number, _)| !numbers.contains(number)) {
        return delete(desired, other, "another first member serves");
    }
    if let Some((&number, _)) = alive.find(|(_, pod)| !pod.marked) {
        let why = format!("marking that {} holds data", desired.cluster.member(number));
        return Plan::act(Phase::Creating, Step::MarkServed { number }, why);
    }
    let step = Step::RecordServed { cluster_id: members.cluster_id };
    Plan::act(Phase::Creating, step, "recording that the cluster serves")
}

/// Why this first member will not come up by itself.
pub(crate) fn hopeless(desired: &Desired, pod: &Pod, now: Timestamp) -> Option<&'static str> {
    let past = |since: Timestamp, limit| now.duration_since(since) >= limit;
    // One with data reads its log first, which may take long.
    let is_empty = pod.role == Role::Seed;
    let wedged_after = if is_empty { WEDGED_AFTER } else { desired.replace_after };
    match (&pod.node, &pod.state) {
        (NodeState::Gone, _) => Some("its node is gone"),
        (NodeState::Away(since), _) if past(*since, desired.replace_after) => {
            Some("its node is away")
        }
        (_, PodState::Failed(since)) if past(*since, FAILED_FOR) => Some("it failed"),
        (_, PodState::DataLost) => Some("its guard refused it"),
        (_, PodState::Outdated) => Some("it was made from an earlier spec"),
        (_, PodState::CrashLooping(since)) if past(*since, desired.replace_after) => {
            Some("it crash-loops")
        }
        (_, PodState::Running { ready: false, restarts: 1.., since })
            if past(*since, wedged_after) =>
        {
            Some("it was killed in its first start and does not come up again")
        }
        (..) if matches!(pod.role, Role::Joiner(_)) => {
            Some("it waits for a cluster that never was")
        }
        _ => None,
    }
}
