//! A cluster that never served: its first member.
//!
//! Nothing is stored in it, so a first member that is wedged may go with its volume. (etcd killed
//! between creating its log and its first save never starts again: measured, `switched to
//! configuration voters=()`.)

use jiff::{SignedDuration, Timestamp};

use crate::{
    Desired, Members, Membership, NodeState, Observed, Phase, Plan, Pod, PodState, Recheck, Role,
    Step,
};

/// A first member that was started again and does not answer for this long is wedged. One that
/// starts on an empty directory answers within a second.
const WEDGED_AFTER: SignedDuration = SignedDuration::from_secs(15);

pub(crate) fn plan(desired: &Desired, observed: &Observed, now: Timestamp) -> Plan {
    let name = |number| desired.cluster.member(number);
    if let Membership::Known(members) = &observed.membership {
        return serves(desired, observed, members);
    }
    let mut alive = observed.pods.iter().filter(|(_, pod)| !pod.terminating);
    let Some((&number, pod)) = alive.next() else {
        let number = observed.next_number();
        let why = format!("creating the first member {}", name(number));
        return Plan::act(Phase::Creating, Step::CreateSeed { number }, why);
    };
    let useless = alive.next().map(|(&other, _)| (other, "there is an earlier first member"));
    let hopeless = hopeless(desired, pod, now).map(|why| (number, why));
    if let Some((number, why)) = useless.or(hopeless) {
        let why = format!("deleting pod {}, which never held data: {why}", name(number));
        return Plan::act(Phase::Creating, Step::DeletePod { number }, why);
    }
    let state = match &pod.state {
        PodState::Pending(why) => format!("its pod is pending: {why}"),
        PodState::CrashLooping(_) => "it crash-loops; see its log".to_owned(),
        _ => "it starts".to_owned(),
    };
    let wait = format!("waiting for the first member {}: {state}", name(number));
    Plan::wait(Phase::Creating, Recheck::Soon, wait)
}

/// It answers. Its pod is marked before anything is recorded, and the client service exists only
/// after that: no client can have written to a member whose guard does not know of it.
fn serves(desired: &Desired, observed: &Observed, members: &Members) -> Plan {
    let numbers = members.numbers();
    let unmarked =
        observed.pods.iter().find(|(number, pod)| numbers.contains(number) && !pod.marked);
    if let Some((&number, _)) = unmarked {
        let why = format!("marking that {} holds data", desired.cluster.member(number));
        return Plan::act(Phase::Creating, Step::MarkServed { number }, why);
    }
    let step = Step::RecordServed { cluster_id: members.cluster_id };
    Plan::act(Phase::Creating, step, "recording that the cluster serves")
}

/// Why this first member will not come up by itself.
fn hopeless(desired: &Desired, pod: &Pod, now: Timestamp) -> Option<&'static str> {
    let past = |since: Timestamp, limit| now.duration_since(since) >= limit;
    match (&pod.node, &pod.state) {
        (NodeState::Gone, _) => Some("its node is gone"),
        (NodeState::Away(since), _) if past(*since, desired.replace_after) => {
            Some("its node is away")
        }
        (_, PodState::Failed(_)) => Some("it failed"),
        (_, PodState::DataLost) => Some("its guard refused it"),
        (_, PodState::CrashLooping(since)) if past(*since, desired.replace_after) => {
            Some("it crash-loops")
        }
        (_, PodState::Running { ready: false, restarts: 1.., since })
            if past(*since, WEDGED_AFTER) =>
        {
            Some("it was killed in its first start and does not come up again")
        }
        (..) if pod.role != Role::Seed => Some("it waits for a cluster that never was"),
        _ => None,
    }
}
