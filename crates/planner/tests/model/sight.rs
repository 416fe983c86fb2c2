//! The world as the planner is told of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Archive, Desired, LastSeen, Member, Members, Membership, NodeState, Observed, PodState,
    QuorumLoss, Record, Source,
};

use crate::etcd::{Etcd, Pods, is_alive};
use crate::world::{Node, Pod, Stage, Status, World};

const REPLACE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What Kubernetes showed a while ago.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) wanted: usize,
    pub(crate) status: Status,
    pub(crate) pods: Pods,
    late: bool,
}

/// The time at which everything is decided. Times are only short or long ago.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("a time")
}

fn recently() -> Timestamp {
    now() - SignedDuration::from_secs(1)
}

fn long_ago() -> Timestamp {
    now() - REPLACE_AFTER
}

impl View {
    pub(crate) fn of(world: &World) -> Self {
        let World { wanted, status, pods, late, .. } = world.clone();
        Self { wanted, status, pods, late }
    }

    pub(crate) fn desired(&self) -> Desired {
        Desired {
            cluster: ClusterName { namespace: "prod".into(), name: "orders".into() },
            size: self.wanted,
            paused: false,
            replace_after: REPLACE_AFTER,
            from_backup: false,
            quorum_loss: QuorumLoss::Automatic,
            approved: None,
        }
    }

    /// The view of a while ago beside the membership of now, read from the etcd cluster of this
    /// first member. The missed member did not answer in time.
    pub(crate) fn observed(
        &self,
        world: &World,
        from: Option<u32>,
        missed: Option<u32>,
    ) -> Observed {
        let read = from.and_then(|seed| Some((seed, world.etcd.get(&seed)?)));
        Observed {
            record: self.record(),
            pods: self.pods.iter().map(|(&number, pod)| (number, self.pod(pod))).collect(),
            membership: read.map_or(Membership::Unknown, |(seed, etcd)| {
                Membership::Known(self.members(world, seed, etcd, missed))
            }),
            stranded: BTreeMap::new(),
            archive: Archive::NoPolicy,
            source: Source::Unresolved("no restore is wanted".into()),
        }
    }

    fn pod(&self, pod: &Pod) -> planner::Pod {
        let since = if self.late { long_ago() } else { recently() };
        planner::Pod {
            role: pod.role.clone(),
            terminating: pod.terminating,
            marked: pod.marked,
            published: pod.stage != Stage::Pending,
            node: of_node(pod.node),
            state: match pod.stage {
                Stage::Pending => PodState::Pending("pulling".into()),
                Stage::Gated => PodState::Gated,
                Stage::Running => PodState::Running { ready: true, restarts: 0, since },
                Stage::Wedged => PodState::Running { ready: false, restarts: 1, since: long_ago() },
                Stage::Crashing => PodState::CrashLooping(long_ago()),
                Stage::DataLost => PodState::DataLost,
            },
        }
    }

    fn record(&self) -> Record {
        let node =
            |number: &u32| self.pods.get(number).map_or(NodeState::Ready, |pod| of_node(pod.node));
        let seen = |(number, voter): (&u32, &bool)| {
            (*number, LastSeen { voter: *voter, node: node(number) })
        };
        Record {
            next_number: self.status.next_number,
            served: self.status.served.is_some(),
            cluster_id: self.status.served.map(u64::from),
            reached_size: self.status.reached_size,
            members: self.status.members.iter().map(seen).collect::<BTreeMap<_, _>>(),
            ..Record::default()
        }
    }

    /// Members are dialled at the pods that were seen.
    fn members(&self, world: &World, seed: u32, etcd: &Etcd, missed: Option<u32>) -> Members {
        let answers = |number| {
            let is_asked = self.pods.contains_key(&number) && missed != Some(number);
            is_asked && is_alive(&world.pods, number)
        };
        let read = |member: &crate::etcd::Member| Member {
            id: member.id,
            number: Some(member.number),
            started: member.started,
            learner: member.learner,
            healthy: answers(member.number),
        };
        let leader = etcd.leader.and_then(|number| etcd.member(number)).map(|member| member.id);
        Members {
            cluster_id: u64::from(seed),
            leader,
            learner_limit: world.rules.learner_limit,
            members: etcd.members.iter().map(read).collect(),
        }
    }
}

fn of_node(node: Node) -> NodeState {
    match node {
        Node::Ready => NodeState::Ready,
        Node::Away { long: false } => NodeState::Away(recently()),
        Node::Away { long: true } => NodeState::Away(long_ago()),
    }
}
