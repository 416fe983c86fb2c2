//! What was seen of a cluster: the record in its status, its pods, its etcd membership, its archive.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{Archive, Record, Source, doubt};

/// Everything that a decision may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// What earlier reconciles wrote down.
    pub record: Record,
    /// The pods that this cluster owns, by member number, those being deleted included.
    pub pods: BTreeMap<u32, Pod>,
    /// What etcd says of itself.
    pub membership: Membership,
    /// How far the data goes of the members that answer and see no leader. One that sees a leader
    /// is not listed: a quorum may be at work of which only the operator gets no answer.
    pub stranded: BTreeMap<u32, i64>,
    /// What the backup sidecar says.
    pub archive: Archive,
    /// Which backup a new cluster's data comes from.
    pub source: Source,
}

impl Observed {
    /// Whether the cluster may hold data. Once true it stays true: the record says it, and should
    /// the status have been lost, a marked pod says it, and backups that were taken of it.
    pub fn has_served(&self) -> bool {
        let recorded = self.record.served || self.record.cluster_id.is_some();
        let is_stored = !self.archive.backups().is_empty();
        recorded || is_stored || self.pods.values().any(|pod| pod.marked)
    }

    /// The membership, if there is an answer that can be this cluster's; or a sentence that says
    /// why not. Nothing else of an answer may be acted on or written down.
    pub fn believed(&self) -> Result<&Members, String> {
        match &self.membership {
            Membership::Unknown => Err("no member gives a linearizable answer".into()),
            Membership::Known(members) => doubt::about(self, members).map_or(Ok(members), Err),
        }
    }

    /// The lowest member number that was never used, from everything that could have used one;
    /// none when there is no higher one, which only a member that somebody else added can cause.
    pub fn next_number(&self) -> Option<u32> {
        let members = match &self.membership {
            Membership::Known(members) => members.numbers(),
            Membership::Unknown => BTreeSet::new(),
        };
        let used = self.pods.keys().chain(self.record.members.keys()).chain(&members).max();
        let after = used.map_or(Some(0), |highest| highest.checked_add(1))?;
        Some(after.max(self.record.next_number))
    }
}

/// The state of a node that a pod runs on or ran on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Ready, or the pod is not bound to a node yet.
    Ready,
    /// Not Ready since then: what ran there may still be running.
    Away(Timestamp),
    /// The node object is gone or bears the out-of-service taint: nothing runs there any more.
    Gone,
    /// Nodes cannot be read (the operator has rights in one namespace only).
    Unknown,
}

/// A member's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// How its etcd was told to start.
    pub role: Role,
    /// It is being deleted.
    pub terminating: bool,
    /// It bears the mark that its member has held data, which its guard obeys.
    pub marked: bool,
    /// Its name is in the headless service's addresses, so that DNS answers for it.
    pub published: bool,
    /// The node that it is bound to.
    pub node: NodeState,
    /// How far it came.
    pub state: PodState,
}

/// How a pod's etcd was told to start. It cannot change: a pod's arguments are immutable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The first member of a new cluster.
    Seed,
    /// A first member whose data comes from the backup with this id.
    Restored(String),
    /// Joins the members with these numbers, its own among them. etcd refuses to start when the
    /// membership is another one by then.
    Joiner(BTreeSet<u32>),
}

/// How far a pod came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PodState {
    /// Not scheduled, pulling, or starting; with the reason Kubernetes gives.
    Pending(String),
    /// Its etcd never ran, and it was made from an earlier spec, which cannot change in it.
    Outdated,
    /// Its guard runs, so etcd has not started.
    Gated,
    /// Its guard found that the data it once had is gone, and refused.
    DataLost,
    /// The backup that its data was to come from was refused; the sentence says what is wrong.
    RestoreRefused(String),
    /// etcd runs.
    Running {
        /// The readiness probe passes.
        ready: bool,
        /// How often the container was started again.
        restarts: u32,
        /// When the container started.
        since: Timestamp,
    },
    /// etcd runs and serves its users, of whom the operator is none: its authentication is on.
    Locked {
        /// The readiness probe passes: it reads through the quorum, as no user at all.
        ready: bool,
    },
    /// etcd runs, but somebody changed the labels by which services and the operator find the pod.
    Unlabelled,
    /// etcd runs and has found that this member's data differs from the others'.
    Corrupt,
    /// A container fails again and again; not ready since then.
    CrashLooping(Timestamp),
    /// The pod ended for good (evicted, for example) at that time.
    Failed(Timestamp),
}

/// What etcd says of its membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Membership {
    /// No member gave a linearizable answer.
    Unknown,
    /// A linearizable answer.
    Known(Members),
}

/// A linearizable member list, with what each member says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The etcd cluster ID.
    pub cluster_id: u64,
    /// The leader's member ID.
    pub leader: Option<u64>,
    /// How many learners this cluster admits side by side: 1, or 2 when every member is 3.6 or
    /// later (3.5 has a constant 1, and members check the limit when they apply the change).
    pub learner_limit: usize,
    /// Voters and learners.
    pub members: Vec<Member>,
}

impl Members {
    /// The numbers of the members that this operator made.
    pub fn numbers(&self) -> BTreeSet<u32> {
        self.members.iter().filter_map(|member| member.number).collect()
    }
}

/// An etcd member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The etcd member ID.
    pub id: u64,
    /// Its number, from its peer URL; none for a member that somebody else added.
    pub number: Option<u32>,
    /// It has published its name, so it has started once.
    pub started: bool,
    /// It has no vote.
    pub learner: bool,
    /// It answers and follows the cluster's leader.
    pub healthy: bool,
}
