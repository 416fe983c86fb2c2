//! A cluster that served and has no quorum that answers.
//!
//! Nothing is changed here: membership cannot change without a quorum, and what is left may be
//! the last copy. The sentence says whether it may come back by itself.

use crate::{Desired, LastSeen, NodeState, Observed, Phase, Plan, PodState, Recheck, quorum};

pub(crate) fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let voters: Vec<(u32, &LastSeen)> = observed
        .record
        .members
        .iter()
        .filter(|(_, seen)| seen.voter)
        .map(|(&number, seen)| (number, seen))
        .collect();
    let (gone, left): (Vec<_>, Vec<_>) =
        voters.iter().partition(|(number, seen)| is_gone(observed, *number, seen));
    let needed = quorum(voters.len());
    let all = voters.len();
    if voters.is_empty() {
        let message = "no member answers, and the status does not say who the voters are; nothing \
                       is changed until a majority of them does";
        return Plan::wait(Phase::NoQuorum, Recheck::Later, message);
    }
    if left.len() < needed {
        let names = list(desired, gone.iter().map(|(number, _)| *number));
        let message = format!(
            "quorum is lost: {} of {all} voters are gone with their data ({names}); nothing is \
             deleted or started empty; a person must decide: restore a snapshot into a new cluster",
            gone.len()
        );
        return Plan::wait(Phase::QuorumLost, Recheck::Later, message);
    }
    let waits: Vec<String> = left
        .iter()
        .map(|(number, _)| {
            format!("{} ({})", desired.cluster.member(*number), state(observed, *number))
        })
        .collect();
    let message = format!(
        "no quorum answers ({needed} of {all} voters are needed); nothing is changed until they \
         do: {}",
        waits.join(", ")
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

fn list(desired: &Desired, numbers: impl Iterator<Item = u32>) -> String {
    numbers.map(|number| desired.cluster.member(number)).collect::<Vec<_>>().join(", ")
}
