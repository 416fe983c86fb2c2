//! A cluster that served and has no quorum that answers.
//!
//! Membership cannot change without a quorum, and what is left may be the last copy. So nothing is
//! done unless the evidence says that the quorum cannot come back; the sentence says whether it
//! may.

use crate::loss::Loss;
use crate::verdict::{LOCKED, UNLABELLED};
use crate::{
    Desired, NodeState, Observed, Phase, Plan, PodState, Recheck, locked, quorum, recovery,
};

/// `why` there is no membership to act on.
pub(crate) fn plan(desired: &Desired, observed: &Observed, why: &str) -> Plan {
    let loss = Loss::of(observed, u32::MAX);
    if loss.is_lost() {
        return recovery::begin(desired, observed, &loss);
    }
    wait(desired, observed, &loss, why)
}

/// The quorum may come back by itself.
pub(crate) fn wait(desired: &Desired, observed: &Observed, loss: &Loss, why: &str) -> Plan {
    if loss.voters == 0 {
        let message = format!(
            "no quorum answers, and the status does not say who the voters are; nothing is changed \
             until a majority of them does: {why}"
        );
        return Plan::wait(Phase::NoQuorum, Recheck::Later, message);
    }
    if let Some(plan) = locked::quorum_serves(desired, observed, loss) {
        return plan;
    }
    let message = format!(
        "no quorum answers ({} of {} voters are needed); nothing is changed until they do: {}; {why}",
        quorum(loss.voters),
        loss.voters,
        states(desired, observed, loss.left.iter().copied())
    );
    Plan::wait(Phase::NoQuorum, Recheck::Later, message)
}

/// These members with what is known of each.
pub(crate) fn states(
    desired: &Desired,
    observed: &Observed,
    numbers: impl Iterator<Item = u32>,
) -> String {
    let told = |number| format!("{} ({})", desired.cluster.member(number), state(observed, number));
    numbers.map(told).collect::<Vec<_>>().join(", ")
}

fn state(observed: &Observed, number: u32) -> String {
    let Some(pod) = observed.pods.get(&number) else {
        return "its pod is gone, but its node has not reported since: it may still run there"
            .into();
    };
    match (&pod.node, &pod.state) {
        (NodeState::Away(_), _) => "its node is not ready".into(),
        (_, _) if pod.terminating => "its pod is being deleted".into(),
        (_, PodState::Pending(why)) => format!("pending: {why}"),
        (_, PodState::Outdated) => "pending: its pod was made from an earlier spec".into(),
        (_, PodState::Gated) => "starting".into(),
        (_, PodState::CrashLooping(_)) => "crash-looping; see its log".into(),
        (_, PodState::Failed(_)) => {
            "its pod failed and never starts again: delete it to declare its data lost".into()
        }
        (_, PodState::DataLost) => "its data is gone".into(),
        (_, PodState::RestoreRefused(_)) => "it never had any data".into(),
        (_, PodState::Locked { .. }) => LOCKED.into(),
        (_, PodState::Unlabelled) => UNLABELLED.into(),
        (_, PodState::Corrupt) => "it has a CORRUPT alarm, so it is not copied from".into(),
        (_, PodState::Running { .. }) => "does not answer".into(),
    }
}
