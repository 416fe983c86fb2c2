//! The membership as decisions look at it: who is fine, who is ailing, who must be replaced, and
//! whether the rest can do without somebody.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::steady::Reasoned;
use crate::{Desired, Member, Members, NodeState, Observed, Pod, PodState, Role, Step, quorum};

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

/// A linearizable membership beside everything else that was seen.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) members: &'a Members,
    pub(crate) now: Timestamp,
}

impl<'a> View<'a> {
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.members.members.iter()
    }

    pub(crate) fn voters(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.all().filter(|member| !member.learner)
    }

    pub(crate) fn learners(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.all().filter(|member| member.learner)
    }

    pub(crate) fn count(&self) -> usize {
        self.members.members.len()
    }

    pub(crate) fn numbers(&self) -> BTreeSet<u32> {
        self.members.numbers()
    }

    /// The name of a member for sentences.
    pub(crate) fn name(&self, member: &Member) -> String {
        member.number.map_or_else(
            || format!("foreign member {:x}", member.id),
            |number| self.desired.cluster.member(number),
        )
    }

    pub(crate) fn pod(&self, member: &Member) -> Option<&'a Pod> {
        self.observed.pods.get(&member.number?)
    }

    /// It answers, and its pod is not about to go.
    pub(crate) fn is_healthy(&self, member: &Member) -> bool {
        let stays = self.pod(member).is_none_or(|pod| !pod.terminating);
        member.healthy && stays
    }

    pub(crate) fn healthy_voters(&self) -> usize {
        self.voters().filter(|voter| self.is_healthy(voter)).count()
    }

    /// Safety rule 1, for removing this member: the voters that remain hold a healthy quorum of
    /// what they form then. One that is not healthy goes only while the others hold the quorum of
    /// the membership as it is.
    pub(crate) fn can_do_without(&self, member: &Member) -> bool {
        if member.learner {
            return true;
        }
        let voters = self.voters().count();
        let needed = if self.is_healthy(member) { voters.saturating_sub(1) } else { voters };
        let left = self.healthy_voters() - usize::from(self.is_healthy(member));
        voters > 1 && left >= quorum(needed)
    }

    /// Removes the member; a leader hands over first, so that no write waits for an election.
    pub(crate) fn remove(&self, member: &Member, why: &str) -> Option<Reasoned> {
        let name = self.name(member);
        if Some(member.id) != self.members.leader {
            let step = Step::RemoveMember { id: member.id, number: member.number? };
            return Some((step, format!("removing {name}: {why}")));
        }
        let heir = self.voters().find(|voter| voter.id != member.id && self.is_healthy(voter))?;
        let step = Step::MoveLeader { to: heir.id, number: heir.number? };
        Some((step, format!("moving leadership from {name} to {}: {why}", self.name(heir))))
    }

    pub(crate) fn verdict(&self, member: &Member) -> Verdict {
        let Some(number) = member.number else { return Verdict::Foreign };
        let Some(pod) = self.pod(member) else { return self.without_pod(number) };
        if let Some(verdict) = self.of_node(&pod.node, "its node") {
            return verdict;
        }
        if !member.started && !self.fits(pod) {
            return Verdict::Replace("its pod was made for another membership".into());
        }
        self.of_pod(member, pod)
    }

    /// The pod is gone. Its data went with it, unless its node could still be running it.
    fn without_pod(&self, number: u32) -> Verdict {
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
            PodState::DataLost => Verdict::Replace("its data is gone".into()),
            PodState::Failed(since) => self.overdue(*since, "its pod failed".into()),
            PodState::CrashLooping(since) => self.overdue(*since, "it crash-loops".into()),
            PodState::Pending(why) => Verdict::Unwell(format!("its pod is pending: {why}")),
            PodState::Gated => Verdict::Unwell("its pod is starting".into()),
            PodState::Running { .. } if member.healthy => Verdict::Fine,
            PodState::Running { .. } => Verdict::Unwell("it does not answer as it should".into()),
        }
    }

    /// Ailing until [`Desired::replace_after`] has passed, then to be replaced.
    fn overdue(&self, since: Timestamp, why: String) -> Verdict {
        // A time that does not exist is never reached.
        let until = since.checked_add(self.desired.replace_after).unwrap_or(Timestamp::MAX);
        if self.now >= until { Verdict::Replace(why) } else { Verdict::Ailing { why, until } }
    }

    /// Whether a joiner's etcd would start into the membership as it is.
    pub(crate) fn fits(&self, pod: &Pod) -> bool {
        match &pod.role {
            Role::Seed => true,
            Role::Joiner(initial) => *initial == self.numbers(),
        }
    }
}
