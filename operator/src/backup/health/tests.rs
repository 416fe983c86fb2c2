//! What the condition says of what is known.

use std::sync::Arc;

use api::sidecar::Failing;
use api::v1beta1::Cluster;
use serde_json::json;

use super::*;
use crate::backup::defaults::{Defaults, Volumes};
use crate::backup::links::Silence;
use crate::backup::policy;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-24T10:00:00.25Z")
}

/// Backups every hour, so that one may be three hours old.
fn backup() -> ValidatedBackup {
    let cluster: Cluster = serde_json::from_value(json!({
        "apiVersion": "etcd.coreos.com/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
        "spec": {"size": 3, "backup": {
            "backupIntervalInSecond": 3600, "pv": {"volumeSizeInMB": 512}
        }},
    }))
    .unwrap();
    let defaults = Defaults {
        namespace: "ops".into(),
        sidecar_image: "sidecar:1".into(),
        bucket: None,
        volumes: Volumes::DefaultClass,
    };
    policy::validate(&cluster, &defaults).unwrap().unwrap()
}

fn attended(status: Option<SidecarStatus>) -> Attended {
    heard(Seen { status: status.map(Arc::new), ..Seen::default() })
}

/// Nothing is wrong but what was heard.
pub fn heard(seen: Seen) -> Attended {
    let wanted = Wanted::Valid(Box::new(backup()));
    Attended { wanted, seen, trouble: None, shortage: None }
}

fn good(last: &str) -> SidecarStatus {
    SidecarStatus {
        backups: 2,
        backup_size: 1.5,
        last_success: Some(at(last)),
        ..SidecarStatus::default()
    }
}

/// The condition after a look, and the status with it.
pub fn look(
    before: &ClusterStatus,
    attended: &Attended,
    now: Timestamp,
) -> (Condition, ClusterStatus) {
    let mut after = ClusterStatus::default();
    tell(&mut after, before, attended, now);
    (after.conditions[0].clone(), after)
}

fn first(attended: &Attended) -> Condition {
    look(&ClusterStatus::default(), attended, now()).0
}

#[test]
fn a_young_backup_is_healthy_and_the_message_does_not_age() {
    let seen = attended(Some(good("2026-11-24T09:59:58.7Z")));
    let (condition, after) = look(&ClusterStatus::default(), &seen, now());
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "BackedUp"));
    assert_eq!(condition.message, "the last good backup is of 2026-11-24T09:59:58Z");
    let (_, later) = look(&after, &seen, at("2026-11-24T10:30:00Z"));
    assert_eq!(after, later, "nothing is written while nothing happens");
}

#[test]
fn a_backup_that_is_too_old_is_told_with_the_reason() {
    let mut status = good("2026-11-24T06:00:00Z");
    status.failing = Some(Failing {
        since: at("2026-11-24T07:00:00Z"),
        attempts: 9,
        reason: "StoreUnavailable".into(),
        message: "the bucket is gone".into(),
    });
    let condition = first(&attended(Some(status)));
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "BackupTooOld"));
    assert!(condition.message.contains("the bucket is gone"), "{}", condition.message);
}

#[test]
fn one_failed_attempt_is_nothing_and_two_are_told() {
    let failing = |attempts| {
        let mut status = good("2026-11-24T09:30:00Z");
        status.failing = Some(Failing {
            since: at("2026-11-24T09:50:00Z"),
            attempts,
            reason: "store: denied!".into(),
            message: "access denied".into(),
        });
        first(&attended(Some(status)))
    };
    assert_eq!(failing(1).status, "True");
    let told = failing(2);
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("False", "storedenied"));
    assert!(told.message.starts_with("backups fail since 2026-11-24T09:50:00Z: access denied"));
}

#[test]
fn a_short_silence_is_nothing_and_a_long_one_is_not_known() {
    let silent = |since| {
        let mut seen = attended(Some(good("2026-11-24T09:30:00Z")));
        seen.seen.silence = Some(Silence { since: at(since), why: "refused".into() });
        first(&seen)
    };
    assert_eq!(silent("2026-11-24T09:59:30Z").status, "True");
    let told = silent("2026-11-24T09:50:00Z");
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("Unknown", "SidecarUnreachable"));
}

#[test]
fn a_short_silence_does_not_take_back_what_was_said_of_the_store() {
    let mut status = good("2026-11-24T09:30:00Z");
    status.failing = Some(Failing {
        since: at("2026-11-24T09:40:00Z"),
        attempts: 3,
        reason: "Unavailable".into(),
        message: "the bucket is gone".into(),
    });
    let mut seen = attended(Some(status));
    let since = at("2026-11-24T09:59:30Z");
    seen.seen.silence = Some(Silence { since, why: "refused".into() });
    assert_eq!(first(&seen).reason, "Unavailable");
}

#[test]
fn after_a_restart_of_the_operator_the_last_word_counts() {
    let (_, before) =
        look(&ClusterStatus::default(), &attended(Some(good("2026-11-24T09:30:00Z"))), now());
    let (condition, after) = look(&before, &attended(None), now());
    assert_eq!(condition.status, "True");
    assert_eq!(after, before);
    // Nobody has to answer for a backup to become too old.
    let (condition, _) = look(&before, &attended(None), at("2026-11-24T12:30:01Z"));
    assert_eq!(condition.reason, "BackupTooOld");
}

#[test]
fn a_restart_of_the_sidecar_takes_nothing_back() {
    let recent = |id: &str| api::sidecar::RecentBackup { id: id.into(), ..Default::default() };
    let looked =
        SidecarStatus { recent_backup: Some(recent("b-1")), ..good("2026-11-24T09:30:00Z") };
    let (_, before) = look(&ClusterStatus::default(), &attended(Some(looked.clone())), now());
    let unlisted = SidecarStatus { unlisted: true, ..SidecarStatus::default() };
    assert_eq!(look(&before, &attended(Some(unlisted)), now()).1, before);
    // Only the manifest of three days ago tells of a success now.
    let old = SidecarStatus { last_success: Some(at("2026-11-21T09:30:00Z")), ..looked };
    assert_eq!(look(&before, &attended(Some(old.clone())), now()).1, before);
    // But a newest backup that turned out to be damaged is no success any more.
    let damaged = SidecarStatus { recent_backup: Some(recent("b-0")), ..old };
    assert_eq!(look(&before, &attended(Some(damaged)), now()).0.reason, "BackupTooOld");
}

#[test]
fn a_first_backup_that_does_not_come_is_told_in_the_end() {
    let none = attended(Some(SidecarStatus::default()));
    let (condition, before) = look(&ClusterStatus::default(), &none, now());
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("Unknown", "NoBackupYet"));
    let (condition, late) = look(&before, &none, at("2026-11-24T13:00:01Z"));
    assert_eq!(condition.status, "False");
    let (condition, _) = look(&late, &none, at("2026-11-24T13:00:09Z"));
    assert_eq!(condition.status, "False", "and it stays so");
}

#[test]
fn what_cannot_be_done_is_said_and_what_passes_is_not() {
    let with = |trouble| Attended { trouble: Some(trouble), ..attended(None) };
    let missing =
        Error::Missing { kind: "Secret", name: "keys".into(), remedy: "create it".into() };
    let condition = first(&with(missing));
    assert_eq!(condition.message, "Secret keys is missing; create it");
    assert_eq!(condition.status, "False");
    assert_eq!(first(&with(Error::Conflict { what: "a test" })).status, "Unknown");
    let invalid = Attended { wanted: Wanted::Invalid("write a bucket".into()), ..attended(None) };
    assert_eq!(first(&invalid).reason, "InvalidPolicy");
}

#[test]
fn a_volume_that_could_not_grow_is_told_beside_what_holds() {
    let good = attended(Some(good("2026-11-24T09:30:00Z")));
    let condition = first(&Attended { shortage: Some("the volume stays at 64Mi".into()), ..good });
    assert_eq!(condition.status, "True");
    assert!(condition.message.ends_with("09:30:00Z; the volume stays at 64Mi"), "{condition:?}");
}

#[test]
fn without_a_policy_nothing_is_said() {
    let (_, before) =
        look(&ClusterStatus::default(), &attended(Some(good("2026-11-24T09:30:00Z"))), now());
    let mut after = ClusterStatus::default();
    let nothing = Attended { wanted: Wanted::Nothing, ..attended(None) };
    tell(&mut after, &before, &nothing, now());
    assert_eq!(after, ClusterStatus::default());
}

#[test]
fn trouble_is_told_once_and_so_is_its_end() {
    let (_, healthy) =
        look(&ClusterStatus::default(), &attended(Some(good("2026-11-24T09:30:00Z"))), now());
    assert_eq!(happening(&ClusterStatus::default(), &healthy), None, "a good start is no news");
    let (_, old) = look(&healthy, &attended(None), at("2026-11-24T13:00:00Z"));
    assert_eq!(happening(&healthy, &old).unwrap().reason, "BackupUnhealthy");
    assert_eq!(happening(&old, &old), None);
    assert_eq!(happening(&old, &healthy).unwrap().reason, "BackupHealthy");
}

#[test]
fn a_restored_cluster_goes_back_to_no_other_once_a_backup_of_its_own_is_stored() {
    let last = json!({"cause": "Manual", "revision": 5, "time": "2026-11-24T09:00:00Z", "backup": {
        "id": "b", "manifestDigest": "ab", "location": "s3://b", "revision": 4,
        "finishTime": "2026-11-24T02:00:00Z",
    }});
    let restored =
        || -> ClusterStatus { serde_json::from_value(json!({"lastRestore": last})).unwrap() };
    let backed_up = |seen: &Attended| {
        let mut after = restored();
        tell(&mut after, &ClusterStatus::default(), seen, now());
        after.last_restore.unwrap().backed_up
    };
    assert!(!backed_up(&attended(None)));
    assert!(!backed_up(&attended(Some(SidecarStatus::default()))));
    assert!(backed_up(&attended(Some(good("2026-11-24T09:30:00Z")))));
}
