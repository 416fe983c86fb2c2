//! The archive as the backup sidecar tells of it: which backups are stored, and what became of the
//! one that was ordered. The planner compares and picks; it never looks into a backup.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// What is known of this cluster's own archive. Another cluster's is [`Source`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archive {
    /// The cluster has no backup policy.
    NoPolicy,
    /// The sidecar does not tell; the sentence says why.
    Unknown(String),
    /// The sidecar told, the order first and then the list: what it says is stored is listed.
    Known {
        /// The backups of this cluster that are stored and not known to be damaged, in any order.
        backups: Vec<BackupRef>,
        /// Those that are listed and cannot be restored, in any order.
        flawed: Vec<Flawed>,
        /// What became of the order that the record names ([`crate::Record::order_id`]).
        order: Order,
    },
}

/// A backup, pinned by the digest of its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupRef {
    /// Its id in the archive.
    pub id: String,
    /// The SHA-256 of its manifest.
    pub manifest_digest: String,
    /// Where it is stored; only whoever restores it reads this.
    pub location: String,
    /// The last revision in it.
    pub revision: i64,
    /// The etcd cluster ID that it was taken from, if known. Revisions are compared only within
    /// one etcd cluster: a restored one goes on from another number.
    pub cluster_id: Option<u64>,
    /// When it was finished.
    pub finished: Timestamp,
}

/// A backup that is listed and cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flawed {
    /// Its id in the archive.
    pub id: String,
    /// The last revision in it.
    pub revision: i64,
    /// When it was finished.
    pub finished: Timestamp,
    /// What is wrong with it.
    pub why: String,
    /// Only that a later version wrote it, so it may well be sound.
    pub is_unread: bool,
}

impl Flawed {
    pub(crate) fn age(&self) -> (i64, Timestamp, &str) {
        (self.revision, self.finished, &self.id)
    }
}

impl BackupRef {
    /// Orders the backups of one cluster, the newest last. Its revisions only grow, since a recovery
    /// raises them; the clocks of the nodes that wrote the times may be wrong.
    pub(crate) fn age(&self) -> (i64, Timestamp, &str) {
        (self.revision, self.finished, &self.id)
    }

    pub(crate) fn is_newer(&self, than: &Self) -> bool {
        self.age() > than.age()
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The sidecar has not heard of it.
    None,
    /// It waits for its turn, or to be tried again.
    Pending {
        /// Why it failed so far, if it was tried.
        why: Option<String>,
    },
    /// The snapshot is on its way.
    Uploading,
    /// It is stored.
    Stored(BackupRef),
    /// It is not, since then.
    Failed {
        /// What the sidecar says.
        why: String,
        /// When it gave up.
        at: Timestamp,
    },
}

/// Which backup of another cluster this one's data comes from, as far as it was found out: for a new
/// cluster what a person wants, and for one that lost everything before any backup of its own was
/// stored what it began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// None is looked for: the data, if there is any, is the cluster's own.
    None,
    /// Not known yet; the sentence says what is waited for.
    Unresolved(String),
    /// There is none such; the sentence says what was looked for.
    Missing(String),
    /// This one.
    Found {
        /// The backup.
        backup: BackupRef,
        /// The id of the one before it, to be named should this one be refused.
        before: Option<String>,
    },
}

impl Archive {
    /// The backups that are known to be stored.
    pub fn backups(&self) -> &[BackupRef] {
        match self {
            Self::Known { backups, .. } => backups,
            Self::NoPolicy | Self::Unknown(_) => &[],
        }
    }

    /// Whether this very backup is known to be stored.
    pub(crate) fn holds(&self, backup: &BackupRef) -> bool {
        self.backups().contains(backup)
    }

    /// The newest backup that was not refused.
    pub(crate) fn newest(&self, refused: &BTreeSet<String>) -> Option<&BackupRef> {
        let usable = self.backups().iter().filter(|backup| !refused.contains(&backup.id));
        usable.max_by_key(|backup| backup.age())
    }

    /// The backup to restore once a survivor's state is `saved`: that one, unless the archive
    /// holds another of the same etcd cluster that goes as far or further (the survivor lagged),
    /// since that contains all of it. Never one that holds less.
    pub(crate) fn fullest<'a>(
        &'a self,
        saved: &'a BackupRef,
        cluster_id: Option<u64>,
        refused: &BTreeSet<String>,
    ) -> Option<&'a BackupRef> {
        let same = |backup: &&BackupRef| {
            cluster_id.is_some()
                && backup.cluster_id == cluster_id
                && backup.revision >= saved.revision
        };
        let further = self.backups().iter().filter(same);
        let usable = further.chain([saved]).filter(|backup| !refused.contains(&backup.id));
        usable.max_by_key(|backup| (backup.revision, *backup == saved, &backup.id))
    }
}
