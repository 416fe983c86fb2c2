//! A case, and what can be said of it without the planner's help.

use std::collections::BTreeSet;

use jiff::Timestamp;
use planner::{
    Archive, Desired, Member, Members, Membership, NodeState, Observed, Plan, Pod, PodState, Step,
};

/// The input of a decision.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    pub(crate) now: Timestamp,
}

impl Sight {
    pub(crate) fn plan(&self) -> Plan {
        planner::plan(&self.desired, &self.observed, self.now)
    }

    pub(crate) fn step(&self) -> Option<Step> {
        self.plan().step
    }

    pub(crate) fn members(&self) -> Option<&Members> {
        match &self.observed.membership {
            Membership::Known(members) => Some(members),
            Membership::Unknown => None,
        }
    }

    pub(crate) fn numbers(&self) -> BTreeSet<u32> {
        self.members().map(Members::numbers).unwrap_or_default()
    }

    pub(crate) fn member(&self, id: u64) -> Option<&Member> {
        self.members()?.members.iter().find(|member| member.id == id)
    }

    pub(crate) fn pod_of(&self, member: &Member) -> Option<&Pod> {
        self.observed.pods.get(&member.number?)
    }

    /// It answers, and its pod is not on its way out.
    pub(crate) fn is_healthy(&self, member: &Member) -> bool {
        member.healthy && !self.pod_of(member).is_some_and(|pod| pod.terminating)
    }

    pub(crate) fn voters(&self) -> Vec<&Member> {
        let all = self.members().into_iter().flat_map(|members| &members.members);
        all.filter(|member| !member.learner).collect()
    }

    pub(crate) fn healthy_voters(&self) -> usize {
        self.voters().into_iter().filter(|voter| self.is_healthy(voter)).count()
    }

    /// Whether anything says that there may be data.
    pub(crate) fn may_hold_data(&self) -> bool {
        let record = &self.observed.record;
        let marked = self.observed.pods.values().any(|pod| pod.marked);
        let is_stored =
            matches!(&self.observed.archive, Archive::Known { backups, .. } if !backups.is_empty());
        record.served || record.cluster_id.is_some() || marked || is_stored
    }

    /// The lowest number of a first member of the restore that is under way.
    pub(crate) fn first(&self) -> u32 {
        self.observed.record.restore.as_ref().map_or(u32::MAX, |restore| restore.first)
    }

    /// Whether this pod may be the last copy of something: etcd ran in it, and nothing says that
    /// its data is gone.
    pub(crate) fn holds_data(&self, number: u32) -> bool {
        let Some(pod) = self.observed.pods.get(&number) else { return false };
        let is_gone = pod.node == NodeState::Gone
            || matches!(pod.state, PodState::DataLost | PodState::RestoreRefused(_));
        let ran = pod.marked
            || !matches!(pod.state, PodState::Pending(_) | PodState::Outdated | PodState::Gated);
        ran && !is_gone
    }

    /// Every number that was ever seen used.
    pub(crate) fn used(&self) -> BTreeSet<u32> {
        let mut used = self.numbers();
        used.extend(self.observed.pods.keys());
        used.extend(self.observed.record.members.keys());
        used
    }
}

/// The least number that is more than half of `voters`.
pub(crate) fn majority(voters: usize) -> usize {
    (0..=voters + 1).find(|agree| agree * 2 > voters).unwrap_or_default()
}
