//! What the cluster's status remembers: the operator's only memory, written before it acts.

use std::collections::{BTreeMap, BTreeSet};

use crate::{BackupRef, NodeState};

/// What the cluster's status remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The lowest member number that was never handed out.
    pub next_number: u32,
    /// The cluster has answered once, so it may hold data.
    pub served: bool,
    /// The etcd cluster ID seen when it first served, or after the last restore.
    pub cluster_id: Option<u64>,
    /// The last size that was reached with every member healthy; 0 before the first time.
    pub reached_size: usize,
    /// The members at the last linearizable read.
    pub members: BTreeMap<u32, LastSeen>,
    /// How many recoveries were begun.
    pub recoveries: u32,
    /// Where the next first member gets its data from, while that is under way.
    pub restore: Option<RestoreRecord>,
}

/// A member as the status remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// It had a vote.
    pub voter: bool,
    /// The state, now, of the node that its pod was on.
    pub node: NodeState,
}

/// A restore that was begun: "the next first member starts from this backup". One mechanism for a
/// new cluster whose data a person wants back and for a cluster that lost its quorum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestoreRecord {
    /// Why.
    pub cause: Cause,
    /// Pods with this number or a higher one are first members of this restore; those below are
    /// what was there before.
    pub first: u32,
    /// How far it came.
    pub stage: Stage,
    /// The ids of the backups that were refused when a first member was to be made from them.
    pub refused: BTreeSet<String>,
}

/// Why data is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A person wants it in a new cluster (`spec.restore`).
    Manual,
    /// The quorum is lost for good; the number of the recovery, from 1.
    Recovery(u32),
}

/// How far a restore came.
///
/// There is no stage for "members are being deleted": that may begin as soon as the backup is
/// recorded, each deletion looks at the evidence anew, and what is deleted is in the archive. So a
/// crash between two deletions leaves nothing to remember.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "there is at most one in a cluster")]
pub enum Stage {
    /// What a survivor holds is being stored. Nothing was deleted.
    Saving {
        /// The survivor's number.
        survivor: u32,
        /// How often the snapshot was ordered before, without success.
        order: u32,
    },
    /// The backup is recorded that the first member is made from.
    Restoring {
        /// That backup.
        backup: BackupRef,
        /// What the survivor held, as stored by this recovery: without it no survivor goes.
        saved: Option<BackupRef>,
    },
}

impl Record {
    /// The id of the snapshot order that this recovery waits for. It never names an earlier order:
    /// neither numbers of members nor of recoveries are used twice, and should a lost status make
    /// them start over, a restored cluster has another etcd cluster ID.
    pub fn order_id(&self) -> Option<String> {
        let restore = self.restore.as_ref()?;
        let (Cause::Recovery(attempt), Stage::Saving { survivor, order }) =
            (restore.cause, &restore.stage)
        else {
            return None;
        };
        let cluster = self.cluster_id.unwrap_or_default();
        Some(format!("recovery-{cluster:x}-{attempt}-{survivor:04}-{order}"))
    }
}
