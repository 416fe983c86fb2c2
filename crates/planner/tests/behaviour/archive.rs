//! Clusters with an archive, and recoveries that are under way.

use jiff::SignedDuration;
use planner::{
    Archive, BackupRef, Cause, Flawed, Order, QuorumLoss, RestoreRecord, Source, Stage, Step,
};

use crate::builder::{CLUSTER_ID, Cluster, ago, cluster};

/// A backup of this cluster, finished so many minutes ago.
pub(crate) fn backup(id: &str, revision: i64, minutes: i64) -> BackupRef {
    BackupRef {
        id: id.into(),
        manifest_digest: format!("sha256:{id}"),
        location: format!("s3://backups/{id}"),
        revision,
        cluster_id: Some(CLUSTER_ID),
        finished: ago(SignedDuration::from_mins(minutes)),
    }
}

/// The number of the first member that a recovery of [`three`] makes.
pub(crate) const NEW: u32 = 7;

/// Three members of which these are gone with their data, two backups, the newer of revision 900.
pub(crate) fn three(gone: &[u32]) -> Cluster {
    let whole =
        cluster(3).no_quorum().archive(vec![backup("b-1", 700, 90), backup("b-2", 900, 30)]);
    gone.iter().fold(whole, |cluster, number| cluster.without_pod(*number))
}

/// All three are gone and the newer backup is being restored.
pub(crate) fn restoring() -> Cluster {
    three(&[4, 5, 6]).recovering(Stage::Restoring { backup: backup("b-2", 900, 30), saved: None })
}

/// Member 4 is left and its snapshot is ordered.
pub(crate) fn saving() -> Cluster {
    three(&[5, 6]).holds(4, 950).recovering(Stage::Saving { survivor: 4, order: 0 })
}

/// Member 4 is left and what it held is stored.
pub(crate) fn saved() -> Cluster {
    let own = backup("b-3", 950, 1);
    let stage = Stage::Restoring { backup: own.clone(), saved: Some(own.clone()) };
    three(&[5, 6]).holds(4, 950).recovering(stage).stored(own)
}

impl Cluster {
    /// There is a policy, and these are stored.
    pub(crate) fn archive(mut self, backups: Vec<BackupRef>) -> Self {
        self.observed.archive = Archive::Known { backups, flawed: vec![], order: Order::None };
        self
    }

    /// One more backup.
    pub(crate) fn stored(mut self, backup: BackupRef) -> Self {
        if let Archive::Known { backups, .. } = &mut self.observed.archive {
            backups.push(backup);
        }
        self
    }

    /// One that is listed and cannot be restored.
    pub(crate) fn flawed(mut self, id: &str, revision: i64, is_unread: bool) -> Self {
        if let Archive::Known { flawed, .. } = &mut self.observed.archive {
            let finished = ago(SignedDuration::from_mins(1));
            let (id, why) = (id.into(), "its data is not in the store".into());
            flawed.push(Flawed { id, revision, finished, why, is_unread });
        }
        self
    }

    pub(crate) fn order(mut self, state: Order) -> Self {
        if let Archive::Known { order, .. } = &mut self.observed.archive {
            *order = state;
        }
        self
    }

    pub(crate) fn sidecar_is_silent(mut self) -> Self {
        self.observed.archive = Archive::Unknown("connection refused".into());
        self
    }

    pub(crate) fn no_policy(mut self) -> Self {
        self.observed.archive = Archive::NoPolicy;
        self
    }

    /// It answers that it sees no leader and that its data goes so far.
    pub(crate) fn holds(mut self, number: u32, revision: i64) -> Self {
        self.observed.stranded.insert(number, revision);
        self
    }

    pub(crate) fn manual(mut self) -> Self {
        self.desired.quorum_loss = QuorumLoss::Manual;
        self
    }

    pub(crate) fn approved(mut self, value: &str) -> Self {
        self.desired.approved = Some(value.into());
        self
    }

    /// A recovery came so far.
    pub(crate) fn recovering(self, stage: Stage) -> Self {
        let cause = Cause::Recovery(3);
        let restore = RestoreRecord { cause, first: NEW, stage, refused: [].into() };
        self.edit_record(|record| {
            record.recoveries = 3;
            record.restore = Some(restore);
        })
    }

    /// Its data shall come from a backup.
    pub(crate) fn from(mut self, source: Source) -> Self {
        self.desired.from_backup = true;
        self.observed.source = source;
        self
    }

    /// What the step writes down.
    pub(crate) fn records(&self) -> RestoreRecord {
        let plan = self.plan();
        match plan.step {
            Some(Step::RecordRestore(restore)) => restore,
            other => panic!("{other:?}: {}", plan.message),
        }
    }
}
