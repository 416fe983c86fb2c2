//! The outcome of a decision.

use std::collections::BTreeSet;

use crate::{BackupRef, RestoreRecord};

/// What to do now and what to tell the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One word for `kubectl get`.
    pub phase: Phase,
    /// One sentence: what happens or is waited for, and who acts next.
    pub message: String,
    /// The one change to make now, if any.
    pub step: Option<Step>,
    /// When to look again if nothing is noticed before.
    pub recheck: Recheck,
}

impl Plan {
    /// Changes nothing.
    pub(crate) fn wait(phase: Phase, recheck: Recheck, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), step: None, recheck }
    }

    /// Makes one change and looks again at once.
    pub(crate) fn act(phase: Phase, step: Step, message: impl Into<String>) -> Self {
        Self { phase, message: message.into(), step: Some(step), recheck: Recheck::Soon }
    }
}

/// The state of a cluster in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Has not reached its wanted size for the first time yet.
    Creating,
    /// Every wanted member votes and is healthy.
    Running,
    /// On the way to another size.
    Scaling,
    /// A member is ailing or being replaced; the others serve.
    Healing,
    /// No quorum answers, but it may come back by itself.
    NoQuorum,
    /// A majority of the voters is gone together with its data, and somebody is waited for.
    QuorumLost,
    /// It comes back from a backup.
    Recovering,
    /// Its quorum is gone and there is no backup that can be restored. Everything is kept.
    Unrecoverable,
    /// The user asked for no changes.
    Paused,
    /// Nothing can be done until a person changes something.
    Failed,
}

/// One change. Each is safe to repeat: a crash before, during or after it loses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write down that this number is used, then create the pod of the first member.
    CreateSeed {
        /// A number that was never used.
        number: u32,
        /// The backup that its data comes from; none for a cluster that starts empty.
        restore: Option<BackupRef>,
    },
    /// Write down that this number is used, then create a pod whose guard waits until it is a
    /// member.
    CreateJoiner {
        /// A number that was never used.
        number: u32,
        /// The membership that its etcd will start into, itself included.
        initial: BTreeSet<u32>,
    },
    /// Mark the pod: its member holds data from now on.
    MarkServed {
        /// The member's number.
        number: u32,
    },
    /// Write down that the cluster has served, with its etcd cluster ID.
    RecordServed {
        /// The etcd cluster ID.
        cluster_id: u64,
    },
    /// Write down that data is restored and how far that came. The record is replaced whole; with
    /// a recovery, [`crate::Record::recoveries`] becomes its number.
    RecordRestore(RestoreRecord),
    /// Have the sidecar store what this member holds, before a recovery. An order with an id that
    /// it knows is no second one.
    OrderSnapshot {
        /// The member's number.
        number: u32,
        /// The id of the order.
        id: String,
    },
    /// Write down that the restored first member serves: its etcd cluster ID and itself as the only
    /// member; the restore is over. Only then may clients reach it.
    FinishRestore {
        /// The etcd cluster ID.
        cluster_id: u64,
        /// The first member's number.
        number: u32,
    },
    /// Write down that there is no recovery any more, since the quorum is back.
    AbortRecovery,
    /// Delete a pod that holds no data, is no member any more, or whose data the archive holds for
    /// the recovery that is under way.
    DeletePod {
        /// The member's number.
        number: u32,
    },
    /// Add the member of a waiting pod, without a vote.
    AddLearner {
        /// The member's number.
        number: u32,
    },
    /// Give a learner its vote.
    Promote {
        /// The etcd member ID.
        id: u64,
        /// The member's number.
        number: u32,
    },
    /// Remove a member from etcd. Its pod goes afterwards.
    RemoveMember {
        /// The etcd member ID.
        id: u64,
        /// The member's number.
        number: u32,
    },
    /// Hand leadership to another voter.
    MoveLeader {
        /// The etcd member ID of the voter that shall lead.
        to: u64,
        /// Its number.
        number: u32,
    },
}

impl Step {
    /// Whether it changes who is a member or who votes.
    pub fn changes_membership(&self) -> bool {
        matches!(self, Self::AddLearner { .. } | Self::Promote { .. } | Self::RemoveMember { .. })
    }
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recheck {
    /// Something is under way that takes fractions of a second.
    Soon,
    /// Something is being waited for that takes seconds to minutes.
    Later,
    /// All is well, or only a person can change it.
    AtRest,
}
