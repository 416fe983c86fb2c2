//! The world as the planner is told of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use planner::name::ClusterName;
use planner::{
    Archive, BackupRef, Desired, LastSeen, Member, Members, Membership, NodeState, Observed, Order,
    PodState, QuorumLoss, Record, Role, Source,
};

use crate::action::Missed;
use crate::archive::{Backup, State};
use crate::etcd::{Etcd, Pods, is_alive};
use crate::world::{Node, Pod, Spec, Stage, Status, World};

const REPLACE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What Kubernetes showed a while ago.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) spec: Spec,
    pub(crate) approved: Option<String>,
    pub(crate) status: Status,
    pub(crate) pods: Pods,
    /// The nodes that pods vanished from.
    ghosts: BTreeMap<u32, Node>,
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
        let World { spec, approved, status, pods, ghosts, late, .. } = world.clone();
        Self { spec, approved, status, pods, ghosts, late }
    }

    pub(crate) fn desired(&self) -> Desired {
        let is_manual = self.spec.is_manual;
        Desired {
            cluster: ClusterName { namespace: "prod".into(), name: "orders".into() },
            size: self.spec.size,
            paused: false,
            replace_after: REPLACE_AFTER,
            from_backup: self.spec.source.is_some(),
            quorum_loss: if is_manual { QuorumLoss::Manual } else { QuorumLoss::Automatic },
            approved: self.approved.clone(),
        }
    }

    /// The members that the status names, with the votes that those who are left know of besides.
    fn remembered(&self, world: &World, missed: Option<Missed>) -> BTreeMap<u32, bool> {
        let tell = self.stranded(world, missed);
        let homes = world.etcd.values().filter(|etcd| etcd.leader.is_none());
        let told = homes.filter(|etcd| etcd.numbers().iter().any(|n| tell.contains_key(n)));
        let votes: Vec<u32> = told.flat_map(Etcd::voters).map(|voter| voter.number).collect();
        let with = |(&n, &voter): (&u32, &bool)| (n, voter || votes.contains(&n));
        self.status.members.iter().map(with).collect()
    }

    /// The names of the voters whose data is gone.
    pub(crate) fn gone(&self, world: &World) -> Vec<String> {
        let is_gone = |number: &u32| match self.pods.get(number) {
            Some(pod) => pod.node == Node::Gone || pod.stage == Stage::DataLost,
            None => !self.ghosts.contains_key(number),
        };
        let all = self.remembered(world, None);
        let voters = all.iter().filter(|(_, voter)| **voter);
        voters.filter(|(n, _)| is_gone(n)).map(|(n, _)| format!("orders-{n:04}")).collect()
    }

    /// The view of a while ago beside what etcd says now, read from the etcd cluster of this first
    /// member, and what the sidecar says now. Who is missed did not answer in time.
    pub(crate) fn observed(
        &self,
        world: &World,
        from: Option<u32>,
        missed: Option<Missed>,
    ) -> Observed {
        let read = from.and_then(|seed| Some((seed, world.etcd.get(&seed)?)));
        let record = self.record(self.remembered(world, missed));
        let archive = match missed {
            _ if !self.spec.has_backups => Archive::NoPolicy,
            Some(Missed::Sidecar) => Archive::Unknown("it does not answer".into()),
            _ => archive(world, record.order_id().as_deref()),
        };
        Observed {
            record,
            pods: self.pods.iter().map(|(&number, pod)| (number, self.pod(pod))).collect(),
            membership: read.map_or(Membership::Unknown, |(seed, etcd)| {
                Membership::Known(self.members(world, seed, etcd, missed))
            }),
            stranded: self.stranded(world, missed),
            archive,
            source: self.source(world),
        }
    }

    /// Another cluster's backup is looked for until there is one of its own.
    fn source(&self, world: &World) -> Source {
        if self.spec.source.is_none() || !world.archive.backups.is_empty() {
            return Source::None;
        }
        let other = Backup { number: 0, cluster: 99, revision: 1, is_damaged: false };
        let id = crate::world::Source::ID.to_owned();
        Source::Found { backup: BackupRef { id, ..other.reference() }, before: None }
    }

    /// How far the data goes of those that answer and see no leader.
    fn stranded(&self, world: &World, missed: Option<Missed>) -> BTreeMap<u32, i64> {
        let is_ours = |seed: &u32| self.status.served.is_none_or(|served| served == *seed);
        let lost = world.etcd.iter().filter(|(seed, etcd)| is_ours(seed) && etcd.leader.is_none());
        let members = lost.flat_map(|(_, etcd)| &etcd.members);
        members
            .filter(|member| self.answers(world, member.number, missed))
            .map(|member| (member.number, member.revision.into()))
            .collect()
    }

    /// Members are dialled at the pods that were seen.
    fn answers(&self, world: &World, number: u32, missed: Option<Missed>) -> bool {
        let is_asked = self.pods.contains_key(&number) && missed != Some(Missed::Member(number));
        is_asked && is_alive(&world.pods, number)
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
                Stage::Gated if matches!(pod.role, Role::Restored(_)) => {
                    PodState::Pending("its backup is being restored".into())
                }
                Stage::Gated => PodState::Gated,
                Stage::Running => PodState::Running { ready: true, restarts: 0, since },
                Stage::Wedged => PodState::Running { ready: false, restarts: 1, since: long_ago() },
                Stage::Crashing => PodState::CrashLooping(long_ago()),
                Stage::DataLost => PodState::DataLost,
                Stage::Refused => PodState::RestoreRefused("page 7 is damaged".into()),
            },
        }
    }

    fn record(&self, members: BTreeMap<u32, bool>) -> Record {
        let node = |number: &u32| {
            let node = self.pods.get(number).map(|pod| pod.node);
            let node = node.or_else(|| self.ghosts.get(number).copied());
            node.map_or(NodeState::Ready, of_node)
        };
        let seen = |(number, voter)| (number, LastSeen { voter, node: node(&number) });
        Record {
            next_number: self.status.next_number,
            served: self.status.served.is_some(),
            cluster_id: self.status.served.map(u64::from),
            reached_size: self.status.reached_size,
            members: members.into_iter().map(seen).collect(),
            recoveries: self.status.recoveries,
            restore: self.status.restore.clone(),
        }
    }

    fn members(&self, world: &World, seed: u32, etcd: &Etcd, missed: Option<Missed>) -> Members {
        let read = |member: &crate::etcd::Member| Member {
            id: member.id,
            number: Some(member.number),
            started: member.started,
            learner: member.learner,
            healthy: self.answers(world, member.number, missed),
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
        Node::Gone => NodeState::Gone,
    }
}

/// First what became of the order, then what is stored.
fn archive(world: &World, order: Option<&str>) -> Archive {
    let order = match order.and_then(|id| world.archive.state(id)) {
        None => Order::None,
        Some(State::Pending) => Order::Pending { why: None },
        Some(State::Uploading { .. }) => Order::Uploading,
        Some(State::Stored(backup)) => Order::Stored(backup.reference()),
        Some(State::Failed) => Order::Failed { why: "the store is full".into(), at: long_ago() },
    };
    let backups = world.archive.backups.iter().map(|backup| backup.reference()).collect();
    Archive::Known { backups, flawed: Vec::new(), order }
}
