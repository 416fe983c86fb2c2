//! What the backup sidecar tells of the archive, in the form that decisions are made on.
//!
//! Whether anything is to be done is seen from what the sidecar said last. Before and during a
//! recovery it is asked anew: first how far the order is and then what is stored, so that what it
//! calls stored is listed.

use api::sidecar::{BackupRequest, RequestState, StoredBackup};
use jiff::Timestamp;
use kube::ResourceExt;
use planner::{Archive, BackupRef, Flawed, Order};

use super::{Freshness, Sight};
use crate::backup::{ClientError, Links, Seen, SidecarClient};
use crate::record;

/// What is known of this cluster's archive.
pub async fn archive(sight: &Sight, links: &Links, freshness: Freshness) -> Archive {
    if sight.cluster.spec.backup.is_none() {
        return Archive::NoPolicy;
    }
    let uid = sight.cluster.uid().unwrap_or_default();
    let order = sight.observed.record.order_id();
    let heard = heard(&links.seen(&uid), &uid);
    let archive = match links.client(&uid) {
        Some(sidecar) if order.is_some() || is_asked(sight, freshness, &heard) => {
            asked(&sidecar, order.as_deref()).await.map(|(order, all)| (order, own(&all, &uid)))
        }
        _ => heard.map(|own| (Order::None, own)),
    };
    match archive {
        Ok((order, Own { backups, flawed })) => Archive::Known { backups, flawed, order },
        Err(why) => Archive::Unknown(why),
    }
}

/// Whether what was heard last is not enough: before anything is done without a quorum, during a
/// restore, and while nothing is known to be stored, for a person may put a backup there.
fn is_asked(sight: &Sight, freshness: Freshness, heard: &Result<Own, String>) -> bool {
    let is_lost = sight.observed.has_served() && sight.members().is_none();
    let restores = sight.observed.record.restore.is_some();
    let has_none = heard.as_ref().is_ok_and(|own| own.backups.is_empty());
    is_lost && (freshness == Freshness::Fresh || restores || has_none)
}

async fn asked(
    sidecar: &SidecarClient,
    order: Option<&str>,
) -> Result<(Order, Vec<StoredBackup>), String> {
    let why = |error: ClientError| error.to_string();
    let order = match order {
        Some(id) => sidecar.request(id).await.map_err(why)?.map_or(Order::None, self::order),
        None => Order::None,
    };
    Ok((order, sidecar.backups().await.map_err(why)?))
}

/// What the sidecar said last.
fn heard(seen: &Seen, uid: &str) -> Result<Own, String> {
    if let Some(silence) = &seen.silence {
        return Err(silence.why.clone());
    }
    if let Some(why) = &seen.unlisted {
        return Err(why.clone());
    }
    let all = seen.backups.as_ref().ok_or("it has not said yet what is stored")?;
    Ok(own(&all.backups, uid))
}

/// The backups of just this cluster.
#[derive(Debug)]
struct Own {
    backups: Vec<BackupRef>,
    flawed: Vec<Flawed>,
}

/// Backups of earlier clusters of the name are nobody's business here.
fn own(all: &[StoredBackup], uid: &str) -> Own {
    let own = || all.iter().filter(|backup| backup.cluster_uid == uid);
    let sound = own().filter(|backup| backup.damaged.is_none());
    Own { backups: sound.map(reference).collect(), flawed: own().filter_map(flawed).collect() }
}

fn flawed(stored: &StoredBackup) -> Option<Flawed> {
    Some(Flawed {
        id: stored.id.clone(),
        revision: stored.revision,
        finished: record::whole_seconds(stored.finish_time),
        why: stored.damaged.clone()?,
        is_unread: stored.is_unread,
    })
}

/// One backup, pinned.
pub fn reference(stored: &StoredBackup) -> BackupRef {
    BackupRef {
        id: stored.id.clone(),
        manifest_digest: stored.manifest_digest.clone(),
        location: stored.location.clone(),
        revision: stored.revision,
        cluster_id: stored.etcd_cluster_id.as_deref().and_then(record::number),
        finished: record::whole_seconds(stored.finish_time),
    }
}

fn order(request: BackupRequest) -> Order {
    match (request.state, &request.backup) {
        (RequestState::Stored, Some(backup)) => Order::Stored(reference(backup)),
        (RequestState::Pending, _) => Order::Pending { why: request.message },
        // A sidecar that stored it says what.
        (RequestState::Uploading | RequestState::Stored, _) => Order::Uploading,
        (RequestState::Failed, _) => Order::Failed {
            why: request.message.unwrap_or_else(|| "the backup sidecar gave it up".into()),
            at: request.failed.unwrap_or(Timestamp::MIN),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::sidecar::BackupList;
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::Silence;

    fn stored(id: &str, more: &Value) -> StoredBackup {
        let mut backup = json!({
            "id": id, "clusterUid": "u-1", "etcdClusterId": "00000000000000c1",
            "reason": "scheduled", "etcdVersion": "3.6.16", "revision": 42, "compactRevision": 7,
            "rawSize": 9, "storedSize": 9, "manifestDigest": "ab",
            "startTime": "2026-11-24T03:00:00.5Z", "finishTime": "2026-11-24T03:00:09.75Z",
            "location": "s3://backups/v1/shop/orders/u-1",
        });
        backup.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(backup).unwrap()
    }

    fn ids(backups: &[BackupRef]) -> Vec<&str> {
        backups.iter().map(|backup| backup.id.as_str()).collect()
    }

    #[test]
    fn only_sound_backups_of_this_very_cluster_count_and_its_others_are_named() {
        let all = [
            stored("a", &json!({})),
            stored("b", &json!({"clusterUid": "u-0"})),
            stored("c", &json!({"damaged": "read back and found damaged"})),
            stored("d", &json!({"damaged": "it has format 2", "isUnread": true})),
        ];
        let own = own(&all, "u-1");
        assert_eq!(ids(&own.backups), ["a"]);
        let flaws: Vec<_> = own.flawed.iter().map(|one| (&one.id[..], one.is_unread)).collect();
        assert_eq!(flaws, [("c", false), ("d", true)]);
        assert_eq!(own.flawed[0].why, "read back and found damaged");
    }

    #[test]
    fn a_backup_is_the_same_in_the_list_and_in_the_status() {
        let of_list = reference(&stored("a", &json!({})));
        assert_eq!(of_list.cluster_id, Some(0xc1));
        let text = serde_json::to_string(&record::pinned(&of_list)).unwrap();
        assert!(text.contains("2026-11-24T03:00:09Z"), "{text}");
        assert_eq!(of_list.finished, "2026-11-24T03:00:09Z".parse().unwrap());
    }

    #[test]
    fn a_sidecar_that_is_silent_is_not_believed_on_what_it_said_before() {
        let list = BackupList { backups: vec![stored("a", &json!({}))], ..BackupList::default() };
        let backups = Some(Arc::new(list));
        let mut seen = Seen { backups, ..Seen::default() };
        assert_eq!(ids(&heard(&seen, "u-1").unwrap().backups), ["a"]);
        let why = "it cannot be reached".to_owned();
        seen.silence = Some(Silence { since: Timestamp::UNIX_EPOCH, why });
        assert_eq!(heard(&seen, "u-1").unwrap_err(), "it cannot be reached");
        (seen.silence, seen.unlisted) = (None, Some("the store is gone".into()));
        assert_eq!(heard(&seen, "u-1").unwrap_err(), "the store is gone");
        assert!(heard(&Seen::default(), "u-1").is_err(), "nothing was heard yet");
    }

    #[test]
    fn every_state_of_an_order_is_told() {
        let at: Timestamp = "2026-11-24T03:00:09Z".parse().unwrap();
        let request = |state| BackupRequest {
            id: "o".into(),
            state,
            received: 0,
            backup: None,
            message: Some("the store is full".into()),
            failed: None,
        };
        let why = Some("the store is full".to_owned());
        assert_eq!(order(request(RequestState::Pending)), Order::Pending { why });
        assert_eq!(order(request(RequestState::Uploading)), Order::Uploading);
        let failed = BackupRequest { failed: Some(at), ..request(RequestState::Failed) };
        assert_eq!(order(failed), Order::Failed { why: "the store is full".into(), at });
        let backup = stored("a", &json!({}));
        let expected = Order::Stored(reference(&backup));
        let done = BackupRequest { backup: Some(backup), ..request(RequestState::Stored) };
        assert_eq!(order(done), expected);
    }
}
