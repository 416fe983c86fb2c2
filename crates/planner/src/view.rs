//! The membership as decisions look at it: who counts, who can be done without, and how somebody
//! leaves.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::steady::Reasoned;
use crate::verdict::Verdict;
use crate::{Desired, Member, Members, Observed, Pod, Role, Step, quorum};

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

    /// Those that the operator added.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.all().filter(|member| member.number.is_some())
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

    /// Enough voters are seen to be healthy to go on without the others.
    pub(crate) fn has_healthy_quorum(&self) -> bool {
        self.healthy_voters() >= quorum(self.voters().count())
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

    /// Whether this member may go because of what is wrong with it.
    ///
    /// A voter that still answers is worth something: it goes only from a full membership in which
    /// every other voter is healthy, and only while those that nothing is wrong with hold the
    /// quorum. Otherwise kubelets that all fall silent for one reason, while etcd runs on, would
    /// cost one voter after another without a single new one.
    pub(crate) fn can_replace(&self, member: &Member) -> bool {
        if member.learner || !self.is_healthy(member) {
            return self.can_do_without(member);
        }
        let voters = self.voters().count();
        let sound = |voter: &&Member| voter.id != member.id && self.is_sound(voter);
        voters >= self.desired.size
            && self.healthy_voters() == voters
            && self.voters().filter(sound).count() >= quorum(voters)
    }

    /// It is healthy and nothing says that it will not stay so.
    fn is_sound(&self, member: &Member) -> bool {
        let sound = matches!(self.verdict(member), Verdict::Fine | Verdict::Foreign);
        sound && self.is_healthy(member)
    }

    /// Removes the member; a leader hands over first, so that no write waits for an election.
    /// While it is not known who leads, no voter goes.
    pub(crate) fn remove(&self, member: &Member, why: &str) -> Option<Reasoned> {
        let name = self.name(member);
        let leader = self.members.leader;
        if leader.is_none() && !member.learner {
            return None;
        }
        if leader != Some(member.id) {
            let step = Step::RemoveMember { id: member.id, number: member.number? };
            return Some((step, format!("removing {name}: {why}")));
        }
        let (heir, number) = self.heir(member)?;
        let step = Step::MoveLeader { to: heir.id, number };
        Some((step, format!("moving leadership from {name} to {}: {why}", self.name(heir))))
    }

    /// A healthy voter of ours to lead instead, if possible one that nothing is wrong with.
    fn heir(&self, leader: &Member) -> Option<(&'a Member, u32)> {
        let able = self.voters().filter(|voter| voter.id != leader.id && self.is_healthy(voter));
        able.filter_map(|voter| Some((voter, voter.number?)))
            .min_by_key(|(voter, number)| (!self.is_sound(voter), *number))
    }

    /// Whether a joiner's etcd would start into the membership as it is.
    pub(crate) fn fits(&self, pod: &Pod) -> bool {
        match &pod.role {
            Role::Seed | Role::Restored(_) => true,
            Role::Joiner(initial) => *initial == self.numbers(),
        }
    }
}
