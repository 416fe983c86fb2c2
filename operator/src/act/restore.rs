//! Steps of a restore: what is decided is written down, then done.

use api::sidecar::BackupOrder;
use api::v1beta1::{
    ClusterStatus, Health, LastRestoreStatus, MemberStatus, RestoreCause, RestoreStatus, Role,
};
use api::{annotations, objects, ports};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use planner::{BackupRef, Cause, RestoreRecord, Stage};

use super::{Actor, Outcome};
use crate::build::{Origin, Start};
use crate::error::Error;
use crate::observe::Sight;
use crate::{clock, record, restore};

/// How far beyond all that is known a restored cluster goes on: further than an etcd writes between
/// two backups, so that nobody who remembers a revision meets it again with another content.
const LEAP: i64 = 1_000_000_000;

impl Actor<'_> {
    /// Replaces the record whole.
    pub(super) async fn record_restore(
        &mut self,
        restore: &RestoreRecord,
    ) -> Result<Outcome, Error> {
        let highest = highest(self.sight, &restore.stage);
        let raised_by = match &restore.stage {
            Stage::Restoring { backup, .. } => self.raise(restore.cause, backup, highest),
            Stage::Saving { .. } => None,
        };
        let mut written = record::write(restore, &self.cluster.name, raised_by);
        written.message = self.sight.chosen.as_ref().map(|chosen| chosen.told.clone());
        self.remember(|status| {
            if let Cause::Recovery(number) = restore.cause {
                status.recoveries = i32::try_from(number).unwrap_or(i32::MAX);
            }
            status.highest_revision = Some(highest);
            status.restore = Some(written);
        })
        .await
    }

    fn raise(&self, cause: Cause, backup: &BackupRef, highest: i64) -> Option<i64> {
        if cause == Cause::Manual && self.cluster.keep_revisions {
            return None;
        }
        Some(highest.saturating_sub(backup.revision).saturating_add(LEAP))
    }

    /// Creates the pod of a first member from this backup.
    pub(super) async fn create_restored(
        &mut self,
        number: u32,
        backup: &BackupRef,
    ) -> Result<Outcome, Error> {
        self.reserve(number).await?;
        let recorded = self.sight.cluster.status.as_ref().and_then(|it| it.restore.as_ref());
        let raised_by = recorded.and_then(|restore| restore.raised_by);
        let is_manual = recorded.is_some_and(|restore| restore.cause == RestoreCause::Manual);
        let is_read = is_manual || restore::is_of_another(&backup.location, &self.cluster.uid);
        let origin = if is_read {
            self.by_reader(backup, raised_by)
        } else {
            self.by_sidecar(backup, raised_by)
        };
        self.create(number, &Start::Restored(origin)).await
    }

    /// The reader serves what `spec.restore` names; of several clusters of a name the one that the
    /// backup's place names.
    fn by_reader(&self, backup: &BackupRef, raised_by: Option<i64>) -> Origin {
        let (name, namespace) = (&self.cluster.name.name, &self.cluster.name.namespace);
        let host = objects::restore_reader_host(name, namespace);
        let from = format!("https://{host}:{}", ports::SIDECAR);
        let uid = restore::uid_in(&backup.location);
        Origin { from, uid, ..self.by_sidecar(backup, raised_by) }
    }

    /// The cluster's own sidecar serves its backups, wherever they are stored.
    fn by_sidecar(&self, backup: &BackupRef, raised_by: Option<i64>) -> Origin {
        let (name, namespace) = (&self.cluster.name.name, &self.cluster.name.namespace);
        let host = objects::backup_sidecar_host(name, namespace);
        Origin {
            backup: backup.id.clone(),
            manifest_digest: backup.manifest_digest.clone(),
            from: format!("https://{host}:{}", ports::SIDECAR),
            uid: None,
            tls_secret: objects::backup_client_tls(name),
            raised_by,
        }
    }

    /// Has the sidecar store what a survivor holds. The same ID again is the same order.
    pub(super) async fn order_snapshot(&self, number: u32, id: &str) -> Result<Outcome, Error> {
        let Some(sidecar) = &self.sidecar else {
            return Ok(Outcome::NotYet("the backup sidecar has no address".into()));
        };
        let member = Some(self.cluster.name.client_url(number));
        // The survivor is one of the cluster that is lost.
        let etcd_cluster_id =
            self.sight.cluster.status.as_ref().and_then(|status| status.cluster_id.clone());
        let order = BackupOrder { reason: "before-recovery".into(), member, etcd_cluster_id };
        let ordered = sidecar.order(id, &order, std::time::Duration::ZERO).await;
        let what = "ordering a snapshot";
        ordered.map(|_| Outcome::Done).map_err(|source| Error::Sidecar { what, source })
    }

    /// From now on the first member is the cluster. One write: whoever reads the status sees either
    /// what was before or all of this.
    pub(super) async fn finish_restore(
        &mut self,
        cluster_id: u64,
        number: u32,
    ) -> Result<Outcome, Error> {
        self.disarm().await?;
        let name = self.cluster.name.member(number);
        let pod = self.sight.pods.get(&number);
        let runs = pod.and_then(|pod| pod.annotations().get(annotations::ETCD_VERSION).cloned());
        let node = pod.and_then(|pod| pod.spec.as_ref()?.node_name.clone());
        self.remember(|status| {
            status.current_version = runs.or(status.current_version.take());
            status.served = true;
            status.cluster_id = Some(etcd::ClusterId(cluster_id).to_string());
            status.member_statuses = vec![alone(name, node)];
            conclude(status);
        })
        .await
    }

    /// Alarms come back with the data. As long as one is up, etcd refuses writes or everything, and
    /// nobody would take away one of a member that is there no more.
    async fn disarm(&self) -> Result<(), Error> {
        let what = "disarming alarms of members that are there no more";
        let failed = |source| Error::Etcd { what, source };
        // A restore is finished only on a list.
        let Some((list, etcd)) = &self.sight.etcd.list else { return Ok(()) };
        for alarm in etcd.alarms().await.map_err(failed)? {
            if !list.members.iter().any(|member| member.id == alarm.member_id) {
                etcd.disarm(alarm).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The quorum is back, so there is nothing to restore.
    pub(super) async fn abort_recovery(&mut self) -> Result<Outcome, Error> {
        self.remember(|status| status.restore = None).await
    }
}

/// The row of the only member.
fn alone(name: String, node: Option<String>) -> MemberStatus {
    MemberStatus {
        name,
        id: None,
        role: Role::Leader,
        health: Health::Healthy,
        message: None,
        version: None,
        db_size_bytes: None,
        node,
        since: None,
    }
}

/// The restore is over: it becomes the last one, and what it used up is remembered.
fn conclude(status: &mut ClusterStatus) {
    let Some(RestoreStatus { cause, backup: Some(backup), raised_by, refused, message, .. }) =
        status.restore.take()
    else {
        return;
    };
    let revision = backup.revision.saturating_add(raised_by.unwrap_or_default());
    status.highest_revision = status.highest_revision.max(Some(revision));
    let refused: Vec<String> = refused.into_iter().filter(|id| *id != backup.id).collect();
    let refused = match refused.as_slice() {
        [] => String::new(),
        refused => format!("; refused before it, since damaged: {}", refused.join(", ")),
    };
    let what = message.unwrap_or_else(|| {
        format!(
            "backup {} (revision {}, complete at {}) from {}",
            backup.id, backup.revision, backup.finish_time.0, backup.location
        )
    });
    let message = match cause {
        RestoreCause::Manual => format!("restored, as spec.restore asks: {what}"),
        RestoreCause::Recovery => {
            format!("restored, since the data of a majority of members was gone: {what}{refused}")
        }
    };
    let time = Time(record::whole_seconds(clock::now()));
    let (message, backed_up) = (Some(message), false);
    status.last_restore =
        Some(LastRestoreStatus { cause, backup, revision, time, message, backed_up });
}

/// The highest revision that is known to have been used, by whoever tells of one.
fn highest(sight: &Sight, stage: &Stage) -> i64 {
    let status = sight.cluster.status.as_ref();
    let recorded = status.and_then(|status| status.highest_revision);
    let recent =
        status.and_then(|status| status.backup_service_status.as_ref()?.recent_backup.as_ref());
    let stored = sight.observed.archive.backups().iter().map(|backup| backup.revision);
    let told = sight.observed.stranded.values().copied();
    let chosen = match stage {
        Stage::Restoring { backup, .. } => Some(backup.revision),
        Stage::Saving { .. } => None,
    };
    let source = sight.chosen.as_ref().map(|chosen| chosen.highest);
    let all = stored.chain(told).chain(recorded).chain(chosen).chain(source);
    all.chain(recent.map(|backup| backup.revision)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use api::v1beta1::{PinnedBackup, RestoreStage};

    use super::*;

    fn restoring(raised_by: Option<i64>) -> ClusterStatus {
        let backup = PinnedBackup {
            id: "b".into(),
            manifest_digest: "ab".into(),
            location: "s3://backups".into(),
            revision: 42,
            etcd_cluster_id: None,
            finish_time: Time("2026-11-24T03:00:09Z".parse().unwrap()),
        };
        let restore = RestoreStatus {
            cause: RestoreCause::Recovery,
            first_member: 3,
            stage: RestoreStage::Restoring,
            survivor: None,
            order: 0,
            backup: Some(backup),
            saved: None,
            refused: vec!["a".into()],
            raised_by,
            message: None,
        };
        let highest_revision = Some(50);
        ClusterStatus { restore: Some(restore), highest_revision, ..ClusterStatus::default() }
    }

    #[test]
    fn a_restore_that_is_over_is_the_last_one_and_says_what_it_used_up() {
        let mut status = restoring(Some(1_000));
        conclude(&mut status);
        assert_eq!(status.restore, None);
        assert_eq!(status.highest_revision, Some(1_042));
        let last = status.last_restore.unwrap();
        assert_eq!(last.revision, 1_042);
        let message = last.message.unwrap();
        assert!(message.contains("backup b ") && message.contains("damaged: a"), "{message}");
    }

    #[test]
    fn revisions_that_were_kept_do_not_lower_what_is_known() {
        let mut status = restoring(None);
        conclude(&mut status);
        assert_eq!(status.highest_revision, Some(50));
        assert_eq!(status.last_restore.unwrap().revision, 42);
    }
}
