//! Answers that are not acted on: they come from somebody else, or cannot be true.
//!
//! Members are asked by pod IP, and an IP may belong to another cluster's pod by now. Whoever
//! believed such an answer would delete the pods that it does not name.

use crate::{Members, Observed, Phase, Plan, Recheck};

/// Why nothing is changed although there is an answer.
pub(crate) fn plan(observed: &Observed, members: &Members) -> Option<Plan> {
    let wait = |message: String| Some(Plan::wait(Phase::Failed, Recheck::Later, message));
    match observed.record.cluster_id {
        Some(recorded) if recorded != members.cluster_id => wait(format!(
            "the members that answer belong to another etcd cluster ({:x}), so nothing is \
             changed; compare status.clusterId with what runs in these pods",
            members.cluster_id
        )),
        None if !is_ours(observed, members) => wait(format!(
            "the members that answer (etcd cluster {:x}) are not the ones that hold this \
             cluster's data, so nothing is changed until those answer",
            members.cluster_id
        )),
        _ if members.members.iter().all(|member| member.learner) => wait(
            "the member list that was read names no voter, which cannot be, so nothing is changed \
             until it does"
                .into(),
        ),
        _ => None,
    }
}

/// Whether these may be the members of a cluster whose etcd cluster ID is not recorded: one of
/// them runs in a pod of ours that stays, and in one that is known to hold data if any is.
pub(crate) fn is_ours(observed: &Observed, members: &Members) -> bool {
    let numbers = members.numbers();
    let any_marked = observed.pods.values().any(|pod| pod.marked);
    observed.pods.iter().any(|(number, pod)| {
        numbers.contains(number) && !pod.terminating && (pod.marked || !any_marked)
    })
}
