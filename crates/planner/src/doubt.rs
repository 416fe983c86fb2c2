//! Answers that are not believed: they come from somebody else, or cannot be true.
//!
//! Members are asked by pod IP, and an IP may belong to another cluster's pod by now. Whoever
//! believed such an answer would delete the pods that it does not name.

use crate::{Members, Observed};

/// Why an answer counts as none.
pub(crate) fn about(observed: &Observed, members: &Members) -> Option<String> {
    let id = members.cluster_id;
    match observed.record.cluster_id {
        Some(recorded) if recorded != id => Some(format!(
            "who answers belongs to another etcd cluster ({id:x}): compare status.clusterId with \
             what runs in these pods"
        )),
        None if !is_ours(observed, members) => Some(format!(
            "who answers (etcd cluster {id:x}) is not known to hold this cluster's data"
        )),
        _ if members.members.iter().all(|member| member.learner) => {
            Some("the member list that was read names no voter, which cannot be".into())
        }
        _ => None,
    }
}

/// Whether these may be the members of a cluster whose etcd cluster ID is not recorded: one of
/// them runs in a pod of ours that stays, and in one that is known to hold data if any is.
fn is_ours(observed: &Observed, members: &Members) -> bool {
    let numbers = members.numbers();
    // A cluster with backups has served, and who served is marked.
    let has_backups = !observed.archive.backups().is_empty();
    let any_marked = has_backups || observed.pods.values().any(|pod| pod.marked);
    observed.pods.iter().any(|(number, pod)| {
        numbers.contains(number) && !pod.terminating && (pod.marked || !any_marked)
    })
}
