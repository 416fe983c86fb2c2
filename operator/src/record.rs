//! A restore as the status keeps it and as decisions read it: the same in two forms.
//!
//! What is written is read back whole, to the last field: decisions compare backups.

use api::v1beta1::{PinnedBackup, RestoreCause, RestoreStage, RestoreStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use planner::name::ClusterName;
use planner::{BackupRef, Cause, RestoreRecord, Stage};

/// Reads a restore back. One that cannot be read counts as none: then a recovery is begun anew, which
/// deletes nothing that the archive does not hold.
pub fn read(status: &RestoreStatus, recoveries: u32, name: &ClusterName) -> Option<RestoreRecord> {
    let backup = status.backup.as_ref().map(backup);
    let stage = match status.stage {
        RestoreStage::Saving => Stage::Saving {
            survivor: name.number(status.survivor.as_deref()?)?,
            order: u32::try_from(status.order).ok()?,
        },
        RestoreStage::Restoring => {
            Stage::Restoring { backup: backup?, saved: status.saved.as_ref().map(self::backup) }
        }
    };
    Some(RestoreRecord {
        cause: match status.cause {
            RestoreCause::Manual => Cause::Manual,
            RestoreCause::Recovery => Cause::Recovery(recoveries),
        },
        first: u32::try_from(status.first_member).ok()?,
        stage,
        refused: status.refused.iter().cloned().collect(),
    })
}

/// Writes a restore down.
pub fn write(record: &RestoreRecord, name: &ClusterName, raised_by: Option<i64>) -> RestoreStatus {
    let signed = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let base = RestoreStatus {
        cause: cause(record.cause),
        first_member: signed(record.first),
        stage: RestoreStage::Saving,
        survivor: None,
        order: 0,
        backup: None,
        saved: None,
        refused: record.refused.iter().cloned().collect(),
        raised_by,
        message: None,
    };
    match &record.stage {
        Stage::Saving { survivor, order } => {
            RestoreStatus { survivor: Some(name.member(*survivor)), order: signed(*order), ..base }
        }
        Stage::Restoring { backup, saved } => RestoreStatus {
            stage: RestoreStage::Restoring,
            backup: Some(pinned(backup)),
            saved: saved.as_ref().map(pinned),
            ..base
        },
    }
}

/// Why data is restored, in the status's form.
pub fn cause(cause: Cause) -> RestoreCause {
    match cause {
        Cause::Manual => RestoreCause::Manual,
        Cause::Recovery(_) => RestoreCause::Recovery,
    }
}

/// A backup in the form that decisions compare.
fn backup(pinned: &PinnedBackup) -> BackupRef {
    BackupRef {
        id: pinned.id.clone(),
        manifest_digest: pinned.manifest_digest.clone(),
        location: pinned.location.clone(),
        revision: pinned.revision,
        cluster_id: pinned.etcd_cluster_id.as_deref().and_then(number),
        finished: whole_seconds(pinned.finish_time.0),
    }
}

/// A backup in the status's form.
pub fn pinned(backup: &BackupRef) -> PinnedBackup {
    PinnedBackup {
        id: backup.id.clone(),
        manifest_digest: backup.manifest_digest.clone(),
        location: backup.location.clone(),
        revision: backup.revision,
        etcd_cluster_id: backup.cluster_id.map(|id| etcd::ClusterId(id).to_string()),
        finish_time: Time(whole_seconds(backup.finished)),
    }
}

/// An ID of etcd's, as all our programs write it.
pub fn number(hexadecimal: &str) -> Option<u64> {
    u64::from_str_radix(hexadecimal, 16).ok()
}

/// Kubernetes keeps whole seconds.
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ClusterName {
        ClusterName { namespace: "shop".into(), name: "orders".into() }
    }

    fn backup(id: &str, cluster_id: Option<u64>) -> BackupRef {
        BackupRef {
            id: id.into(),
            manifest_digest: "ab".into(),
            location: "file:///var/lib/etcd-backups/v1/shop/orders/u-1".into(),
            revision: 42,
            cluster_id,
            finished: "2026-11-24T03:00:09Z".parse().unwrap(),
        }
    }

    fn record(cause: Cause, stage: Stage) -> RestoreRecord {
        RestoreRecord { cause, first: 4, stage, refused: ["a".into(), "b".into()].into() }
    }

    #[test]
    fn what_is_written_is_read_back_whole() {
        let saved = Some(backup("s", Some(0xc1)));
        for record in [
            record(Cause::Recovery(3), Stage::Saving { survivor: 2, order: 7 }),
            record(Cause::Recovery(3), Stage::Restoring { backup: backup("b", None), saved }),
            record(
                Cause::Manual,
                Stage::Restoring { backup: backup("b", Some(u64::MAX)), saved: None },
            ),
        ] {
            let written = write(&record, &name(), Some(9));
            let text = serde_json::to_string(&written).unwrap();
            let kept: RestoreStatus = serde_json::from_str(&text).unwrap();
            assert_eq!(read(&kept, 3, &name()), Some(record), "{text}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_none() {
        let good = write(
            &record(Cause::Manual, Stage::Restoring { backup: backup("b", None), saved: None }),
            &name(),
            None,
        );
        assert_eq!(read(&RestoreStatus { backup: None, ..good.clone() }, 0, &name()), None);
        assert_eq!(read(&RestoreStatus { first_member: -1, ..good.clone() }, 0, &name()), None);
        let saving = RestoreStatus { stage: RestoreStage::Saving, ..good };
        let survivor = Some("carts-0001".to_owned());
        assert_eq!(read(&RestoreStatus { survivor, ..saving }, 0, &name()), None);
    }
}
