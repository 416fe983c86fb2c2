//! What is next for a `Backup`. Pure.

use api::v1beta1::{Backup, BackupPhase, BackupStatus, DeletionPolicy};
use api::{annotations, finalizers};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::backup::finalizer;
use crate::report::Happening;

/// Cluster and policy may be applied in one go with the `Backup`, in any order.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// How long the deletion of an object waits for that of the stored backup.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// What there is of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// No cluster of that name.
    NoCluster,
    /// One without a backup policy.
    NoPolicy,
    /// One that is being deleted.
    Leaving {
        /// Its UID.
        uid: String,
    },
    /// One whose sidecar cannot be asked, and why.
    Silent(String),
    /// One whose sidecar can be asked.
    Ready {
        /// Its UID.
        uid: String,
    },
}

impl Source {
    /// Which cluster it is, if one can be asked.
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Leaving { uid } | Self::Ready { uid } => Some(uid),
            Self::NoCluster | Self::NoPolicy | Self::Silent(_) => None,
        }
    }
}

/// What is done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing, until the object changes.
    Rest,
    /// It is looked at again.
    Wait,
    /// The deletion of the object shall wait for us.
    PutFinalizer,
    /// It shall not, or no longer.
    Release(Option<Happening>),
    /// The stored backup of this ID is removed.
    Remove(String),
    /// The backup is ordered.
    Order,
    /// This is told.
    Say(Box<BackupStatus>),
}

/// Whether nothing is left to do, as far as the object itself says.
pub fn is_done(backup: &Backup) -> bool {
    let is_held = finalizer::is_on(backup, finalizers::STORED_BACKUP);
    if backup.metadata.deletion_timestamp.is_some() {
        return !is_held;
    }
    is_held == wants_finalizer(backup) && asks_for_nothing(backup)
}

/// Whether this phase is the last.
pub fn is_end(phase: BackupPhase) -> bool {
    !matches!(phase, BackupPhase::Pending | BackupPhase::Uploading)
}

fn wants_finalizer(backup: &Backup) -> bool {
    backup.spec.deletion_policy == DeletionPolicy::Delete
}

fn asks_for_nothing(backup: &Backup) -> bool {
    let phase = backup.status.as_ref().and_then(|status| status.phase);
    backup.annotations().contains_key(annotations::BACKUP_ID) || phase.is_some_and(is_end)
}

/// Says what is next. `started` is when this replica began: it has asked nobody before.
pub fn next(backup: &Backup, source: &Source, now: Timestamp, started: Timestamp) -> Next {
    let is_held = finalizer::is_on(backup, finalizers::STORED_BACKUP);
    if backup.metadata.deletion_timestamp.is_some() {
        return if is_held { leave(backup, source, now, started) } else { Next::Rest };
    }
    match (wants_finalizer(backup), is_held) {
        (true, false) => return Next::PutFinalizer,
        (false, true) => return Next::Release(None),
        _ => {}
    }
    if asks_for_nothing(backup) {
        return Next::Rest;
    }
    ask(backup, source, now)
}

fn leave(backup: &Backup, source: &Source, now: Timestamp, started: Timestamp) -> Next {
    let status = backup.status.as_ref();
    let Some(id) = status.and_then(|status| status.id.clone()) else { return Next::Release(None) };
    if !wants_finalizer(backup) {
        return Next::Release(None);
    }
    let its = status.and_then(|status| status.cluster_uid.as_deref());
    if source.uid().is_some() && source.uid() == its {
        return Next::Remove(id);
    }
    if !is_late(backup, now, started) {
        return Next::Wait;
    }
    let location = status.and_then(|status| status.location.clone()).unwrap_or_default();
    let note = format!(
        "the stored backup {id} stays, for no backup sidecar of its cluster runs any more; it lies in \
         {location}"
    );
    Next::Release(Some(kept(note)))
}

/// What is told when the stored backup stays.
pub fn kept(note: String) -> Happening {
    Happening { warning: true, reason: "BackupKept", note, pod: None }
}

/// What is told of a stored backup in a store that the policy does not name any more.
pub fn elsewhere(backup: &Backup, id: &str) -> Happening {
    let status = backup.status.as_ref();
    let location = status.and_then(|status| status.location.as_deref()).unwrap_or_default();
    kept(format!(
        "the stored backup {id} stays, for spec.backup of the cluster names another store by now; it \
         lies in {location}"
    ))
}

/// Whether the object has waited long enough for its deletion.
pub fn is_late(backup: &Backup, now: Timestamp, started: Timestamp) -> bool {
    let deleted = backup.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    now.duration_since(deleted.max(started)) >= PATIENCE
}

fn ask(backup: &Backup, source: &Source, now: Timestamp) -> Next {
    let name = &backup.spec.cluster_name;
    let its = backup.status.as_ref().and_then(|status| status.cluster_uid.as_deref());
    let is_new = now.duration_since(created(backup, now)) < GRACE;
    let sentence = match source {
        Source::Ready { uid } if its.is_none_or(|its| its == uid) => return Next::Order,
        Source::Ready { .. } => {
            return failed(format!(
                "the cluster {name} that it was asked of is gone: create another Backup"
            ));
        }
        Source::Leaving { .. } => return failed(format!("the cluster {name} is being deleted")),
        Source::Silent(why) => {
            return said(BackupPhase::Pending, format!("waiting: {why}"), backup);
        }
        Source::NoCluster => format!(
            "there is no Cluster {name} in this namespace; create it first, then a Backup of it"
        ),
        Source::NoPolicy => format!(
            "the cluster {name} has no backup policy that says where to; add spec.backup to it, then \
             create another Backup"
        ),
    };
    if is_new { said(BackupPhase::Pending, sentence, backup) } else { failed(sentence) }
}

fn created(backup: &Backup, now: Timestamp) -> Timestamp {
    backup.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0)
}

fn failed(message: String) -> Next {
    Next::Say(Box::new(BackupStatus {
        phase: Some(BackupPhase::Failed),
        message: Some(message),
        ..BackupStatus::default()
    }))
}

/// What is known of the order already stays.
fn said(phase: BackupPhase, message: String, backup: &Backup) -> Next {
    let before = backup.status.clone().unwrap_or_default();
    Next::Say(Box::new(BackupStatus { phase: Some(phase), message: Some(message), ..before }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Created at 0, with these parts of its metadata, policy and status.
    #[allow(clippy::needless_pass_by_value, reason = "literals read better without ampersands")]
    fn backup(metadata: Value, policy: &str, status: Value) -> Backup {
        let mut meta = json!({"name": "now", "namespace": "shop", "uid": "o-1",
                              "creationTimestamp": at(0).to_string()});
        meta.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup", "metadata": meta,
            "spec": {"clusterName": "orders", "deletionPolicy": policy}, "status": status,
        }))
        .unwrap()
    }

    fn fresh() -> Backup {
        backup(json!({}), "Retain", Value::Null)
    }

    fn ready() -> Source {
        Source::Ready { uid: "u-1".into() }
    }

    fn held() -> Value {
        json!({"finalizers": ["etcd.coreos.com/stored-backup"]})
    }

    fn deleted() -> Value {
        json!({"finalizers": ["etcd.coreos.com/stored-backup"],
               "deletionTimestamp": at(100).to_string()})
    }

    fn stored() -> Value {
        json!({"phase": "Stored", "id": "b-1", "clusterUid": "u-1", "location": "s3://b/x"})
    }

    fn said(next: &Next) -> &BackupStatus {
        let Next::Say(status) = next else { panic!("{next:?}") };
        status
    }

    #[test]
    fn it_is_ordered_when_somebody_can_be_asked() {
        assert_eq!(next(&fresh(), &ready(), at(1), at(0)), Next::Order);
    }

    #[test]
    fn a_cluster_or_a_policy_may_come_a_moment_later_and_not_an_hour() {
        for source in [Source::NoCluster, Source::NoPolicy] {
            let early = next(&fresh(), &source, at(1), at(0));
            assert_eq!(said(&early).phase, Some(BackupPhase::Pending), "{source:?}");
            let late = next(&fresh(), &source, at(61), at(0));
            assert_eq!(said(&late).phase, Some(BackupPhase::Failed), "{source:?}");
            assert!(said(&late).message.as_ref().unwrap().contains("orders"));
        }
    }

    #[test]
    fn a_sidecar_that_is_silent_is_waited_for() {
        let silent = Source::Silent("it does not run yet".into());
        let told = next(&fresh(), &silent, at(9999), at(0));
        assert_eq!(said(&told).phase, Some(BackupPhase::Pending));
        assert_eq!(said(&told).message.as_deref(), Some("waiting: it does not run yet"));
    }

    #[test]
    fn another_cluster_of_the_name_does_not_get_the_order_of_the_one_before() {
        let status = json!({"phase": "Uploading", "clusterUid": "u-0"});
        let told = next(&backup(json!({}), "Retain", status), &ready(), at(1), at(0));
        assert_eq!(said(&told).phase, Some(BackupPhase::Failed));
    }

    #[test]
    fn what_has_ended_or_was_recorded_asks_for_nothing() {
        let recorded = json!({"annotations": {"etcd.coreos.com/backup-id": "b-1"}});
        for backup in [
            backup(json!({}), "Retain", stored()),
            backup(json!({}), "Retain", json!({"phase": "Failed"})),
            backup(recorded, "Retain", Value::Null),
        ] {
            assert_eq!(next(&backup, &ready(), at(1), at(0)), Next::Rest);
            assert!(is_done(&backup));
        }
    }

    #[test]
    fn the_finalizer_follows_the_policy() {
        let wants = backup(json!({}), "Delete", stored());
        assert!(!is_done(&wants));
        assert_eq!(next(&wants, &ready(), at(1), at(0)), Next::PutFinalizer);
        let does_not = backup(held(), "Retain", stored());
        assert_eq!(next(&does_not, &ready(), at(1), at(0)), Next::Release(None));
    }

    #[test]
    fn with_delete_the_stored_backup_goes_first() {
        let leaving = backup(deleted(), "Delete", stored());
        assert_eq!(next(&leaving, &ready(), at(101), at(0)), Next::Remove("b-1".into()));
    }

    #[test]
    fn without_a_sidecar_of_its_cluster_it_gives_up_after_a_minute_and_says_what_stays() {
        let leaving = backup(deleted(), "Delete", stored());
        let others = Source::Ready { uid: "u-2".into() };
        for source in [Source::NoCluster, Source::NoPolicy, Source::Silent("x".into()), others] {
            assert_eq!(next(&leaving, &source, at(159), at(0)), Next::Wait, "{source:?}");
            let Next::Release(Some(told)) = next(&leaving, &source, at(160), at(0)) else {
                panic!("{source:?}")
            };
            assert!(told.warning && told.note.contains("b-1") && told.note.contains("s3://b/x"));
            // A replica that has just begun asks first.
            assert_eq!(next(&leaving, &source, at(160), at(130)), Next::Wait);
        }
    }

    #[test]
    fn what_was_never_stored_or_shall_stay_goes_at_once() {
        let never = backup(deleted(), "Delete", json!({"phase": "Failed"}));
        assert_eq!(next(&never, &Source::NoCluster, at(101), at(0)), Next::Release(None));
        let stays = backup(deleted(), "Retain", stored());
        assert_eq!(next(&stays, &ready(), at(101), at(0)), Next::Release(None));
    }
}
