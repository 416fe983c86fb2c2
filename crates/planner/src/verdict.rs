//! What is wrong with a member, from its pod, its node and what etcd says.

use jiff::Timestamp;

use crate::view::View;
use crate::{Member, NodeState, Pod, PodState};

/// A member that is not trusted and not replaced either: which of the copies is right, a person decides.
pub(crate) const CORRUPT: &str = "etcd says that its data differs from the others' (CORRUPT alarm): when the \
    others are right, delete its pod to have it replaced, then run `etcdctl alarm disarm`";

/// A member that its users reach and the operator does not.
pub(crate) const LOCKED: &str = "its etcd asks for a user and a password";

/// A pod that is there but is not found as the others are: a person's doing, and a person's to undo.
pub(crate) const UNLABELLED: &str = "its pod's labels app, etcd_cluster or etcd.coreos.com/cluster-uid were \
    changed, so services do not lead to it: put them back, or delete the pod to have it replaced";

/// What is wrong with a member and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// It is not well, but Kubernetes or etcd is on it. Never a reason to replace it.
    Unwell(String),
    /// It is replaced at this time unless it is well before.
    Ailing { why: String, until: Timestamp },
    /// It does not come back by itself.
    Replace(String),
    /// Somebody else added it: it counts, and is left alone.
    Foreign,
}

impl View<'_> {
    pub(crate) fn verdict(&self, member: &Member) -> Verdict {
        let Some(number) = member.number else { return Verdict::Foreign };
        let Some(pod) = self.pod(member) else { return self.without_pod(member, number) };
        if let Some(verdict) = self.of_node(&pod.node, "its node") {
            return verdict;
        }
        if !member.started && !self.fits(pod) {
            return Verdict::Replace("its pod was made for another membership".into());
        }
        self.of_pod(member, pod)
    }

    /// The pod is gone. Its data went with it, unless its node could still be running it.
    fn without_pod(&self, member: &Member, number: u32) -> Verdict {
        if member.healthy {
            return Verdict::Unwell("it answers although its pod is not there".into());
        }
        let node = self.observed.record.members.get(&number).map(|seen| &seen.node);
        node.and_then(|node| self.of_node(node, "its pod is gone, but the node that ran it"))
            .filter(|verdict| !matches!(verdict, Verdict::Replace(_)))
            .unwrap_or_else(|| Verdict::Replace("its pod and its data are gone".into()))
    }

    fn of_node(&self, node: &NodeState, whose: &str) -> Option<Verdict> {
        match node {
            NodeState::Ready | NodeState::Unknown => None,
            NodeState::Gone => Some(Verdict::Replace("its node is gone".into())),
            NodeState::Away(since) => Some(self.overdue(*since, format!("{whose} is not ready"))),
        }
    }

    fn of_pod(&self, member: &Member, pod: &Pod) -> Verdict {
        match &pod.state {
            _ if pod.terminating => Verdict::Unwell("its pod is being deleted".into()),
            PodState::DataLost | PodState::RestoreRefused(_) => {
                Verdict::Replace("its data is gone".into())
            }
            PodState::Failed(since) => self.overdue(*since, "its pod failed".into()),
            PodState::CrashLooping(since) => self.overdue(*since, "it crash-loops".into()),
            PodState::Pending(why) => Verdict::Unwell(format!("its pod is pending: {why}")),
            PodState::Outdated if !member.started => {
                Verdict::Replace("its pod was made from an earlier spec".into())
            }
            PodState::Outdated => {
                Verdict::Unwell("its pod is pending and was made from an earlier spec".into())
            }
            PodState::Gated => Verdict::Unwell("its pod is starting".into()),
            PodState::Locked { .. } => Verdict::Unwell(LOCKED.into()),
            PodState::Unlabelled => Verdict::Unwell(UNLABELLED.into()),
            PodState::Corrupt => Verdict::Unwell(CORRUPT.into()),
            PodState::Running { .. } if member.healthy => Verdict::Fine,
            PodState::Running { .. } => Verdict::Unwell("it does not answer as it should".into()),
        }
    }

    /// Ailing until [`replace_after`](crate::Desired::replace_after) has passed, then to be
    /// replaced.
    fn overdue(&self, since: Timestamp, why: String) -> Verdict {
        // A time that does not exist is never reached.
        let until = since.checked_add(self.desired.replace_after).unwrap_or(Timestamp::MAX);
        if self.now >= until { Verdict::Replace(why) } else { Verdict::Ailing { why, until } }
    }
}
