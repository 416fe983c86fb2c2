//! Members that do not come back, and pods that are nobody's.

use crate::steady::Reasoned;
use crate::verdict::Verdict;
use crate::view::View;
use crate::{NodeState, Pod, PodState, Role, Step, grow};

/// Removes one member that does not come back, if the others can do without it. A new one under
/// a new number follows by growing.
pub(crate) fn step(view: &View<'_>) -> Option<Reasoned> {
    view.own().find_map(|member| {
        let Verdict::Replace(why) = view.verdict(member) else { return None };
        if !view.can_replace(member) {
            return None;
        }
        view.remove(member, &why)
    })
}

/// Deletes one pod that is no member and does not wait to become one. Its data is not the last
/// copy: the membership was read from a quorum that does without it, and that quorum is seen to be
/// healthy.
pub(crate) fn orphan(view: &View<'_>) -> Option<Reasoned> {
    if !view.has_healthy_quorum() {
        return None;
    }
    let members = view.numbers();
    let waiting = grow::waiting(view);
    let (number, pod) = view.observed.pods.iter().find(|(number, pod)| {
        !pod.terminating && !members.contains(number) && !waiting.contains(number)
    })?;
    let why = format!("deleting pod {}: {}", view.desired.cluster.member(*number), reason(pod));
    Some((Step::DeletePod { number: *number }, why))
}

fn reason(pod: &Pod) -> &'static str {
    match (&pod.role, &pod.state, &pod.node) {
        _ if pod.marked => "it is not a member any more",
        (_, PodState::Failed(_), _) => "it failed before it joined",
        (_, PodState::Outdated, _) => "it was made from an earlier spec",
        (_, PodState::CrashLooping(_), _) => "it crash-loops and has not joined",
        (_, _, NodeState::Away(_) | NodeState::Gone) => "its node is away and it has not joined",
        (Role::Joiner(_), PodState::Pending(_) | PodState::Gated, _) => {
            "the membership that it was made for is out of date"
        }
        (Role::Seed | Role::Restored(_), _, _) => "the cluster has its first member already",
        _ => "it is not a member any more",
    }
}
