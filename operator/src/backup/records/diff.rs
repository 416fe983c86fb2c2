//! What the records lack, and which are of backups that are gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use api::annotations;
use api::sidecar::StoredBackup;
use api::v1beta1::{Backup, BackupPhase, BackupStatus};
use kube::ResourceExt;

use crate::backup::health::seconds;

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub struct Diff<'a> {
    /// Stored, and without a record.
    pub create: Vec<&'a StoredBackup>,
    /// Recorded, and known better by now.
    pub refresh: Vec<(&'a Arc<Backup>, BackupStatus)>,
    /// Records of backups that are not stored any more.
    pub remove: Vec<&'a Arc<Backup>>,
}

/// Compares what is stored of the cluster with this UID with the `Backup` objects that name its name.
pub fn diff<'a>(
    cluster: &str,
    uid: &str,
    store: &str,
    stored: &'a [StoredBackup],
    existing: &'a [Arc<Backup>],
) -> Diff<'a> {
    let records: HashMap<&str, &Arc<Backup>> =
        existing.iter().filter_map(|backup| Some((id_of(backup, uid)?, backup))).collect();
    let ordered: HashSet<String> = existing.iter().filter_map(|backup| backup.uid()).collect();
    let mut diff = Diff::default();
    for one in stored.iter().filter(|one| one.cluster_uid == uid) {
        match records.get(one.id.as_str()) {
            Some(record) => {
                let status = kept(record, status_in(store, one));
                if record.status.as_ref() != Some(&status) {
                    diff.refresh.push((record, status));
                }
            }
            // Whoever asked for it has an object for it, whose status is about to say so.
            None if one.request.as_ref().is_some_and(|order| ordered.contains(order)) => {}
            None => diff.create.push(one),
        }
    }
    let there: HashSet<&str> = stored.iter().map(|one| one.id.as_str()).collect();
    let is_gone = |(id, record): &(&str, &Arc<Backup>)| {
        record.spec.cluster_name == cluster
            && !there.contains(id)
            && record.metadata.deletion_timestamp.is_none()
            && lies_in(record, store)
    };
    diff.remove = records.into_iter().filter(is_gone).map(|(_, record)| record).collect();
    diff.remove.sort_by_key(|record| record.name_any());
    diff
}

/// The backup that an object records, if it is one of that cluster.
fn id_of<'a>(backup: &'a Backup, uid: &str) -> Option<&'a str> {
    let label = backup.labels().get(api::labels::CLUSTER_UID);
    if let Some(id) = backup.annotations().get(annotations::BACKUP_ID) {
        return (label.map(String::as_str) == Some(uid)).then_some(id);
    }
    let status = backup.status.as_ref()?;
    (status.cluster_uid.as_deref() == Some(uid)).then_some(status.id.as_deref()?)
}

/// Whether a record is of a backup in this store. A policy may have named another one before, and
/// nobody has looked there.
pub fn lies_in(record: &Backup, store: &str) -> bool {
    let status = record.status.as_ref();
    if let Some(its) = status.and_then(|status| status.store.as_deref()) {
        return its == store;
    }
    let root = store.split('?').next().unwrap_or(store);
    let location = status.and_then(|status| status.location.as_deref());
    let is_below = |rest: &str| rest.starts_with("/v1/");
    location.is_none_or(|location| location.strip_prefix(root).is_some_and(is_below))
}

/// What is recorded of a backup in this store.
pub fn status_in(store: &str, stored: &StoredBackup) -> BackupStatus {
    BackupStatus { store: Some(store.to_owned()), ..status_of(stored) }
}

/// The status that is written: what is known already and only others can know stays.
fn kept(record: &Backup, mut status: BackupStatus) -> BackupStatus {
    let before = record.status.as_ref();
    if before.and_then(|before| before.phase) == Some(BackupPhase::Proven) {
        status.phase = Some(BackupPhase::Proven);
    }
    status
}

/// What is recorded of a stored backup.
pub fn status_of(stored: &StoredBackup) -> BackupStatus {
    let count = |number: u64| Some(i64::try_from(number).unwrap_or(i64::MAX));
    let (phase, message) = match (&stored.damaged, stored.verified) {
        (Some(damage), _) => (BackupPhase::Failed, format!("it cannot be used: {damage}")),
        (None, Some(at)) => (BackupPhase::Verified, format!("read back at {}", seconds(at).0)),
        (None, None) => (BackupPhase::Stored, "complete and checked while it was written".into()),
    };
    BackupStatus {
        phase: Some(phase),
        message: Some(message),
        id: Some(stored.id.clone()),
        location: Some(stored.location.clone()),
        store: None,
        cluster_uid: Some(stored.cluster_uid.clone()),
        reason: Some(stored.reason.clone()),
        etcd_version: Some(stored.etcd_version.clone()),
        revision: Some(stored.revision),
        compact_revision: Some(stored.compact_revision),
        size: Some(size(stored.raw_size)),
        raw_size_bytes: count(stored.raw_size),
        stored_size_bytes: count(stored.stored_size),
        manifest_digest: Some(stored.manifest_digest.clone()),
        start_time: Some(seconds(stored.start_time)),
        finish_time: Some(seconds(stored.finish_time)),
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.iter().find(|(_, shift)| bytes >> shift > 0);
    let Some((name, shift)) = unit else { return format!("{bytes} B") };
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const STORE: &str = "s3://backups?endpoint=http%3A%2F%2Fweed";

    #[allow(clippy::needless_pass_by_value, reason = "literals read better without ampersands")]
    fn stored(id: &str, more: Value) -> StoredBackup {
        let mut backup = json!({
            "id": id, "clusterUid": "u-1", "reason": "scheduled", "etcdVersion": "3.6.16",
            "revision": 42, "compactRevision": 7, "rawSize": 1_181_116_007_u64, "storedSize": 9,
            "manifestDigest": "ab", "startTime": "2026-11-24T03:00:00.5Z",
            "finishTime": "2026-11-24T03:00:09Z", "location": "s3://backups/v1/shop/orders/u-1",
        });
        backup.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(backup).unwrap()
    }

    #[allow(clippy::needless_pass_by_value, reason = "literals read better without ampersands")]
    fn object(name: &str, metadata: Value, status: Value) -> Arc<Backup> {
        let mut meta = json!({"name": name, "namespace": "shop", "uid": format!("o-{name}")});
        meta.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let backup = json!({
            "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup", "metadata": meta,
            "spec": {"clusterName": "orders"}, "status": status,
        });
        Arc::new(serde_json::from_value(backup).unwrap())
    }

    fn record(stored: &StoredBackup, uid: &str) -> Arc<Backup> {
        let metadata = json!({
            "labels": {"etcd.coreos.com/cluster-uid": uid},
            "annotations": {"etcd.coreos.com/backup-id": stored.id},
        });
        object(&stored.id, metadata, serde_json::to_value(status_in(STORE, stored)).unwrap())
    }

    fn names(diff: &Diff) -> (Vec<String>, Vec<String>, Vec<String>) {
        (
            diff.create.iter().map(|one| one.id.clone()).collect(),
            diff.refresh.iter().map(|(one, _)| one.name_any()).collect(),
            diff.remove.iter().map(|one| one.name_any()).collect(),
        )
    }

    fn compare(stored: &[StoredBackup], existing: &[Arc<Backup>]) -> [Vec<String>; 3] {
        let (create, refresh, remove) = names(&diff("orders", "u-1", STORE, stored, existing));
        [create, refresh, remove]
    }

    #[test]
    fn what_is_stored_is_recorded_once() {
        let all = [stored("b-1", json!({})), stored("b-2", json!({}))];
        assert_eq!(compare(&all, &[]), [vec!["b-1", "b-2"], vec![], vec![]]);
        let records = [record(&all[0], "u-1"), record(&all[1], "u-1")];
        assert_eq!(compare(&all, &records), [vec![] as Vec<&str>, vec![], vec![]]);
    }

    #[test]
    fn what_retention_removed_loses_its_record() {
        let (gone, left) = (stored("b-1", json!({})), stored("b-2", json!({})));
        let records = [record(&gone, "u-1"), record(&left, "u-1")];
        assert_eq!(compare(&[left], &records), [vec![], vec![], vec!["b-1"]]);
    }

    #[test]
    fn records_of_an_earlier_cluster_or_of_another_store_are_let_be() {
        let earlier = record(&stored("b-1", json!({})), "u-0");
        let elsewhere = stored("b-2", json!({"location": "s3://old/v1/shop/orders/u-1"}));
        let elsewhere =
            object("b-2", json!({}), serde_json::to_value(status_of(&elsewhere)).unwrap());
        assert_eq!(compare(&[], &[earlier, elsewhere]), [vec![] as Vec<&str>, vec![], vec![]]);
    }

    #[test]
    fn a_store_is_another_one_by_its_whole_name_and_its_endpoint() {
        let record = |location: &str, store: Option<&str>| {
            let status = BackupStatus {
                store: store.map(str::to_owned),
                ..status_of(&stored("b-1", json!({"location": location})))
            };
            object("b-1", json!({}), serde_json::to_value(status).unwrap())
        };
        let here = "s3://backups/v1/shop/orders/u-1/snapshots";
        for (location, store, is_here) in [
            (here, Some(STORE), true),
            (here, Some("s3://backups"), false),
            (here, Some("s3://backups?endpoint=http%3A%2F%2Fold"), false),
            (here, None, true),
            ("s3://backups-old/v1/shop/orders/u-1/snapshots", None, false),
            ("s3://backups/etcd-2/v1/shop/orders/u-1/snapshots", None, false),
        ] {
            assert_eq!(lies_in(&record(location, store), STORE), is_here, "{location} {store:?}");
        }
        assert!(!lies_in(&record("s3://b/etcd-2/v1/shop", None), "s3://b/etcd"));
    }

    #[test]
    fn one_that_was_asked_for_is_not_recorded_a_second_time() {
        let asked = stored("b-1", json!({"request": "o-mine", "reason": "on-demand"}));
        let mine = object("mine", json!({}), json!({"phase": "Uploading"}));
        assert_eq!(
            compare(std::slice::from_ref(&asked), &[mine]),
            [vec![] as Vec<&str>, vec![], vec![]]
        );
        // And when its object was deleted, it is recorded as any other.
        assert_eq!(compare(&[asked], &[]), [vec!["b-1"], vec![], vec![]]);
    }

    #[test]
    fn one_that_was_asked_for_goes_with_its_backup_too() {
        let asked = stored("b-1", json!({}));
        let status = serde_json::to_value(status_of(&asked)).unwrap();
        let mine = object("mine", json!({}), status);
        assert_eq!(compare(&[], &[mine]), [vec![], vec![], vec!["mine"]]);
    }

    #[test]
    fn an_order_that_is_not_stored_yet_is_let_be() {
        let waits = object("mine", json!({}), json!({"phase": "Pending", "clusterUid": "u-1"}));
        assert_eq!(compare(&[], &[waits]), [vec![] as Vec<&str>, vec![], vec![]]);
    }

    #[test]
    fn a_record_without_its_status_gets_it() {
        let one = stored("b-1", json!({}));
        let metadata = json!({
            "labels": {"etcd.coreos.com/cluster-uid": "u-1"},
            "annotations": {"etcd.coreos.com/backup-id": "b-1"},
        });
        let torn = object("b-1", metadata, Value::Null);
        assert_eq!(compare(&[one], &[torn]), [vec![], vec!["b-1"], vec![]]);
    }

    #[test]
    fn a_backup_that_was_read_back_is_verified_and_a_damaged_one_failed() {
        let record = record(&stored("b-1", json!({})), "u-1");
        let read = [stored("b-1", json!({"verified": "2026-11-24T04:00:00Z"}))];
        let existing = [record];
        let told = diff("orders", "u-1", STORE, &read, &existing);
        assert_eq!(told.refresh[0].1.phase, Some(BackupPhase::Verified));
        let damaged = [stored("b-1", json!({"damaged": "its manifest is cut short"}))];
        let told = diff("orders", "u-1", STORE, &damaged, &existing);
        assert!(told.refresh[0].1.message.as_ref().unwrap().contains("cut short"));
    }

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(size(1_181_116_007), "1.1 GiB");
        assert_eq!(size(20_480), "20.0 KiB");
        assert_eq!(size(12), "12 B");
    }
}
