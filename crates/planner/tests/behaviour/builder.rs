//! Clusters to plan for. Names and numbers differ from what a default would be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Archive, Desired, LastSeen, Member, Members, Membership, NodeState, Observed, Phase, Plan, Pod,
    PodState, QuorumLoss, Record, Role, Source, Step,
};

/// How long a member may be ailing in these tests.
pub(crate) const REPLACE_AFTER: SignedDuration = SignedDuration::from_mins(7);
/// The etcd cluster ID.
pub(crate) const CLUSTER_ID: u64 = 0xc1a5;
/// The number of the first member.
pub(crate) const FIRST: u32 = 4;

/// The time of the decision.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

/// So long before the decision.
pub(crate) fn ago(duration: SignedDuration) -> Timestamp {
    now() - duration
}

/// A little less than the time after which a member is replaced.
pub(crate) fn recently() -> Timestamp {
    ago(REPLACE_AFTER - SignedDuration::from_secs(1))
}

/// Exactly the time after which a member is replaced.
pub(crate) fn long_ago() -> Timestamp {
    ago(REPLACE_AFTER)
}

/// The etcd member ID of the member with this number.
pub(crate) fn id(number: u32) -> u64 {
    0xe000 + u64::from(number)
}

/// A running, ready container.
pub(crate) fn running() -> PodState {
    PodState::Running { ready: true, restarts: 0, since: ago(SignedDuration::from_hours(1)) }
}

/// A cluster that serves and is well, with members from [`FIRST`] on.
pub(crate) fn cluster(members: u32) -> Cluster {
    let mut cluster = unserved();
    cluster.desired.size = members as usize;
    cluster.observed.membership = Membership::Known(Members {
        cluster_id: CLUSTER_ID,
        leader: Some(id(FIRST)),
        learner_limit: 1,
        members: Vec::new(),
    });
    cluster.observed.record = Record {
        next_number: 0,
        served: true,
        cluster_id: Some(CLUSTER_ID),
        reached_size: members as usize,
        ..Record::default()
    };
    for number in FIRST..FIRST + members {
        cluster = cluster.member(number, false);
    }
    if let Some(pod) = cluster.observed.pods.get_mut(&FIRST) {
        pod.role = Role::Seed;
    }
    cluster
}

/// A cluster that nothing was done for yet.
pub(crate) fn unserved() -> Cluster {
    let name = ClusterName { namespace: "prod".into(), name: "orders".into() };
    Cluster {
        desired: Desired {
            cluster: name,
            size: 3,
            paused: false,
            replace_after: REPLACE_AFTER,
            from_backup: false,
            quorum_loss: QuorumLoss::Automatic,
            approved: None,
        },
        observed: Observed {
            record: Record::default(),
            pods: BTreeMap::new(),
            membership: Membership::Unknown,
            stranded: BTreeMap::new(),
            archive: Archive::NoPolicy,
            source: Source::None,
        },
    }
}

/// What is wanted and what was seen.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
}

impl Cluster {
    pub(crate) fn plan(&self) -> Plan {
        let plan = planner::plan(&self.desired, &self.observed, now());
        assert!(!plan.message.is_empty());
        plan
    }

    /// The step of the plan.
    pub(crate) fn step(&self) -> Option<Step> {
        self.plan().step
    }

    /// The message of a plan without a step.
    pub(crate) fn waits(&self) -> String {
        let plan = self.plan();
        assert_eq!(plan.step, None, "{}", plan.message);
        plan.message
    }

    pub(crate) fn phase(&self) -> Phase {
        self.plan().phase
    }

    pub(crate) fn size(mut self, size: usize) -> Self {
        self.desired.size = size;
        self
    }

    pub(crate) fn paused(mut self) -> Self {
        self.desired.paused = true;
        self
    }

    pub(crate) fn learner_limit(mut self, limit: usize) -> Self {
        self.members_mut().learner_limit = limit;
        self
    }

    pub(crate) fn leader(mut self, number: u32) -> Self {
        self.members_mut().leader = Some(id(number));
        self
    }

    pub(crate) fn leader_unknown(mut self) -> Self {
        self.members_mut().leader = None;
        self
    }

    /// No member gives a linearizable answer.
    pub(crate) fn no_quorum(mut self) -> Self {
        self.observed.membership = Membership::Unknown;
        self
    }

    /// A started, healthy member with its pod.
    pub(crate) fn member(mut self, number: u32, learner: bool) -> Self {
        let healthy =
            Member { id: id(number), number: Some(number), started: true, learner, healthy: true };
        self.members_mut().members.push(healthy);
        let initial = self.numbers();
        self.observed.pods.insert(number, joiner(initial, running()));
        self.edit_pod(number, |pod| pod.marked = true).remember(number)
    }

    /// A started, healthy learner with its pod.
    pub(crate) fn learner(self, number: u32) -> Self {
        self.member(number, true)
    }

    /// A learner that was just added, with the gated pod that was made for it.
    pub(crate) fn unstarted(mut self, number: u32) -> Self {
        let unstarted = Member {
            id: id(number),
            number: Some(number),
            started: false,
            learner: true,
            healthy: false,
        };
        self.members_mut().members.push(unstarted);
        let initial = self.numbers();
        self.observed.pods.insert(number, joiner(initial, PodState::Gated));
        self.remember(number)
    }

    /// A member that somebody else added.
    pub(crate) fn foreign(mut self, learner: bool) -> Self {
        let stranger = Member { id: 0xf0, number: None, started: true, learner, healthy: true };
        self.members_mut().members.push(stranger);
        self
    }

    /// A gated pod whose name is published, made for the members and those that wait before it.
    pub(crate) fn waiting(mut self, number: u32) -> Self {
        let mut initial: BTreeSet<u32> = self.observed.pods.keys().copied().collect();
        initial.insert(number);
        self.observed.pods.insert(number, joiner(initial, PodState::Gated));
        self.observed.record.next_number = self.observed.record.next_number.max(number + 1);
        self
    }

    /// The pod of a first member.
    pub(crate) fn seed(mut self, number: u32, state: PodState) -> Self {
        let pod = Pod { role: Role::Seed, published: true, ..joiner(BTreeSet::new(), state) };
        self.observed.pods.insert(number, pod);
        self
    }

    /// The pod of a first member that is made from this backup.
    pub(crate) fn restored(self, number: u32, backup: &str, state: PodState) -> Self {
        let role = Role::Restored(backup.to_owned());
        self.seed(number, state).edit_pod(number, |pod| pod.role = role)
    }

    pub(crate) fn edit_pod(mut self, number: u32, edit: impl FnOnce(&mut Pod)) -> Self {
        edit(self.observed.pods.get_mut(&number).expect("a pod of this number"));
        self
    }

    pub(crate) fn edit_member(mut self, number: u32, edit: impl FnOnce(&mut Member)) -> Self {
        let mut members = self.members_mut().members.iter_mut();
        edit(
            members.find(|member| member.number == Some(number)).expect("a member of this number"),
        );
        self
    }

    pub(crate) fn edit_record(mut self, edit: impl FnOnce(&mut Record)) -> Self {
        edit(&mut self.observed.record);
        self
    }

    /// Its pod runs, but it does not answer.
    pub(crate) fn down(self, number: u32) -> Self {
        self.edit_member(number, |member| member.healthy = false)
    }

    /// It is down and its pod is in this state.
    pub(crate) fn pod_is(self, number: u32, state: PodState) -> Self {
        self.down(number).edit_pod(number, |pod| pod.state = state)
    }

    /// Nobody answers and its pod is in this state.
    pub(crate) fn pod_is_silent(self, number: u32, state: PodState) -> Self {
        self.edit_pod(number, |pod| pod.state = state)
    }

    /// It is down and so is its node.
    pub(crate) fn node_is(self, number: u32, node: NodeState) -> Self {
        self.down(number).answering_on(number, node)
    }

    /// Its node is in this state, but the member answers all the same.
    pub(crate) fn answering_on(self, number: u32, node: NodeState) -> Self {
        let there = node.clone();
        self.edit_pod(number, |pod| pod.node = node).edit_record(|record| {
            record.members.get_mut(&number).expect("a recorded member").node = there;
        })
    }

    /// Its pod is being deleted.
    pub(crate) fn terminating(self, number: u32) -> Self {
        self.edit_pod(number, |pod| pod.terminating = true)
    }

    /// Its pod is gone.
    pub(crate) fn without_pod(mut self, number: u32) -> Self {
        self.observed.pods.remove(&number);
        if let Membership::Known(members) = &mut self.observed.membership {
            let of_number = members.members.iter_mut().find(|m| m.number == Some(number));
            if let Some(member) = of_number {
                member.healthy = false;
            }
        }
        self
    }

    fn remember(mut self, number: u32) -> Self {
        let record = &mut self.observed.record;
        record.members.insert(number, LastSeen { voter: true, node: NodeState::Ready });
        record.next_number = record.next_number.max(number + 1);
        self
    }

    fn numbers(&mut self) -> BTreeSet<u32> {
        self.members_mut().numbers()
    }

    fn members_mut(&mut self) -> &mut Members {
        match &mut self.observed.membership {
            Membership::Known(members) => members,
            Membership::Unknown => panic!("this cluster has no membership to change"),
        }
    }
}

fn joiner(initial: BTreeSet<u32>, state: PodState) -> Pod {
    Pod {
        role: Role::Joiner(initial),
        terminating: false,
        marked: false,
        published: true,
        node: NodeState::Ready,
        state,
    }
}
