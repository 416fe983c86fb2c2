//! Everything there is.

use std::collections::BTreeMap;

use planner::{RestoreRecord, Role};

use crate::archive::Archive;
use crate::etcd::{Etcd, Rules};
use crate::history::History;
use crate::operator::Operator;

/// The state of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) spec: Spec,
    /// The value of the annotation by which a person approves a recovery.
    pub(crate) approved: Option<String>,
    /// The cluster object's status, which is written by compare-and-swap.
    pub(crate) status: Status,
    /// The pods in Kubernetes.
    pub(crate) pods: BTreeMap<u32, Pod>,
    /// What may still run on nodes that are away although its pod was deleted, by number.
    pub(crate) ghosts: BTreeMap<u32, Node>,
    /// The etcd clusters, by the number of their first member. There should be one.
    pub(crate) etcd: BTreeMap<u32, Etcd>,
    /// What the backup sidecar keeps.
    pub(crate) archive: Archive,
    /// The operator, and one that acts beside it for a moment.
    pub(crate) operators: [Operator; 2],
    /// What may still go wrong.
    pub(crate) budget: Budget,
    /// How etcd was started.
    pub(crate) rules: Rules,
    /// So much time has passed that what runs has run for long.
    pub(crate) late: bool,
    /// What must not be forgotten to judge the operator.
    pub(crate) history: History,
}

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Spec {
    pub(crate) size: usize,
    /// There is a backup policy.
    pub(crate) has_backups: bool,
    /// A recovery begins only when a person approves it.
    pub(crate) is_manual: bool,
    /// The data of a new cluster comes from another one's backup.
    pub(crate) source: Option<Source>,
}

/// Another cluster's backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Sound,
    Damaged,
}

impl Source {
    /// The backup's id.
    pub(crate) const ID: &str = "source";
}

/// What the operator wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    pub(crate) next_number: u32,
    /// The cluster that was recorded as serving, by the number of its first member.
    pub(crate) served: Option<u32>,
    pub(crate) reached_size: usize,
    /// The members that were seen, and whether they had a vote.
    pub(crate) members: BTreeMap<u32, bool>,
    pub(crate) recoveries: u32,
    pub(crate) restore: Option<RestoreRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pod {
    pub(crate) role: Role,
    pub(crate) stage: Stage,
    pub(crate) marked: bool,
    pub(crate) terminating: bool,
    /// The client service leads to it when it is ready.
    pub(crate) admitted: bool,
    pub(crate) node: Node,
}

/// How far a pod came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Pending,
    Gated,
    /// etcd runs.
    Running,
    /// etcd was killed in its first start and hangs.
    Wedged,
    /// etcd refuses to start.
    Crashing,
    /// The guard refuses to start etcd: the data is gone.
    DataLost,
    /// The backup that the data was to come from was refused.
    Refused,
}

/// The node under a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Ready,
    /// Not ready, for a moment or for longer than members are waited for.
    Away {
        long: bool,
    },
    /// A person says that nothing runs there any more.
    Gone,
}

/// How often what may happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// A pod vanishes with its data, unless it may still run on a node that is away.
    pub(crate) losses: u8,
    /// A pod stays and its data is gone.
    pub(crate) wipes: u8,
    /// A node falls silent.
    pub(crate) silences: u8,
    /// A member or the sidecar does not answer the operator in time.
    pub(crate) misses: u8,
    /// A first member is killed in its first start.
    pub(crate) wedges: u8,
    /// The operator dies between writing down a number and using it.
    pub(crate) crashes: u8,
    /// The second operator looks.
    pub(crate) looks: u8,
    /// A client writes.
    pub(crate) writes: u8,
    /// A backup is taken by schedule.
    pub(crate) backups: u8,
    /// A backup that is stored is damaged.
    pub(crate) damages: u8,
    /// A backup vanishes from the archive.
    pub(crate) prunes: u8,
    /// The sidecar gives up an order.
    pub(crate) failures: u8,
    /// The sidecar is started again.
    pub(crate) restarts: u8,
    /// A person approves what the status names.
    pub(crate) approvals: u8,
    /// The sizes that will be wanted.
    pub(crate) resizes: Vec<usize>,
}

impl Budget {
    /// How many faults are to come.
    pub(crate) fn faults(&self) -> u8 {
        self.losses + self.wipes + self.silences + self.prunes
    }
}

impl World {
    /// etcd elects, and clusters of which nothing is left are forgotten.
    pub(crate) fn settle(&mut self) {
        let Self { pods, etcd, status, .. } = self;
        for cluster in etcd.values_mut() {
            cluster.elect(pods);
        }
        etcd.retain(|seed, cluster| status.served == Some(*seed) || cluster.is_anywhere(pods));
    }

    /// Whether anything says that there may be data.
    pub(crate) fn may_hold_data(&self) -> bool {
        let is_stored = !self.archive.backups.is_empty();
        is_stored || self.status.served.is_some() || self.pods.values().any(|pod| pod.marked)
    }

    /// The number of the first member of the cluster that data may be in.
    pub(crate) fn home_seed(&self) -> Option<u32> {
        let marked = self.pods.iter().find(|(_, pod)| pod.marked && pod.role == Role::Seed);
        self.status.served.or(marked.map(|(&number, _)| number))
    }

    /// The cluster that data may be in.
    pub(crate) fn home(&self) -> Option<&Etcd> {
        self.etcd.get(&self.home_seed()?)
    }

    /// Whether the data of the member with this number may still be somewhere.
    pub(crate) fn is_left(&self, number: u32) -> bool {
        let runs = |pod: &Pod| pod.stage == Stage::Running && pod.node != Node::Gone;
        self.ghosts.contains_key(&number) || self.pods.get(&number).is_some_and(runs)
    }

    /// Whether the client service leads to this etcd cluster.
    pub(crate) fn is_reachable(&self, etcd: &Etcd) -> bool {
        let leads_to =
            |number| self.pods.get(&number).is_some_and(|pod| pod.admitted && !pod.terminating);
        let is_ready = |number| leads_to(number) && crate::etcd::is_alive(&self.pods, number);
        self.status.served.is_some()
            && etcd.has_quorum(&self.pods)
            && etcd.voters().any(|voter| is_ready(voter.number))
    }
}
