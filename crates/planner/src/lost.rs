//! A cluster that served and has no quorum that answers.
//!
//! Nothing is changed here: membership cannot change without a quorum, and what is left may be
//! the last copy. The sentence says whether it may come back by itself.

use crate::{Desired, LastSeen, NodeState, Observed, Phase, Plan, PodState, Recheck, quorum};

/// `why` there is no membership to act on.
pub(crate) fn plan(desired: &Desired, observed: &Observed, why: &str) -> Plan {
    let voters = observed.record.members.iter().filter(|(_, seen)| seen.voter);
    let (gone, left): (Vec<_>, Vec<_>) =
        voters.partition(|(number, seen)| is_gone(observed, **number, seen));
    let name = |number: u32| desired.cluster.member(number);
    let all = gone.len() + left.len();
    if all == 0 {
        let message = format!(
            "no quorum answers, and the status does not say who the voters are; nothing is changed \
             until a majority of them does: {why}"
        );
        return Plan::wait(Phase::NoQuorum, Recheck::Later, message);
    }
    let needed = quorum(all);
    if left.len() < needed {
        let names: Vec<String> = gone.iter().map(|(number, _)| name(**number)).collect();
        let message = format!(
            "quorum is lost: {} of {all} voters are gone with their data ({}); nothing is deleted \
             or started empty; a person must decide: restore a snapshot into a new cluster",
            gone.len(),
            names.join(", ")
        );
        return Plan::wait(Phase::QuorumLost, Recheck::Later, message);
    }
    let waits = left
        .iter()
        .map(|(number, _)| format!("{} ({})", name(**number), state(observed, **number)));
    let message = format!(
        "no quorum answers ({needed} of {all} voters are needed); nothing is changed until they \
         do: {}; {why}",
        waits.collect::<Vec<_>>().join(", ")
    );
    Plan::wait(Phase::NoQuorum, Recheck::Later, message)
}

/// No pod and no data is left of it. A pod that vanished from a node that is away may still run.
fn is_gone(observed: &Observed, number: u32, seen: &LastSeen) -> bool {
    match observed.pods.get(&number) {
        Some(pod) => pod.node == NodeState::Gone || pod.state == PodState::DataLost,
        None => !matches!(seen.node, NodeState::Away(_)),
    }
}

fn state(observed: &Observed, number: u32) -> String {
    let Some(pod) = observed.pods.get(&number) else {
        return "its node is not ready, its pod may still run there".into();
    };
    match (&pod.node, &pod.state) {
        (NodeState::Away(_), _) => "its node is not ready".into(),
        (_, _) if pod.terminating => "its pod is being deleted".into(),
        (_, PodState::Pending(why)) => format!("pending: {why}"),
        (_, PodState::Gated) => "starting".into(),
        (_, PodState::CrashLooping(_)) => "crash-looping; see its log".into(),
        (_, PodState::Failed(_)) => "its pod failed".into(),
        (_, PodState::DataLost) => "its data is gone".into(),
        (_, PodState::Running { .. }) => "does not answer".into(),
    }
}
