//! Which of the backups that are there is restored. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use api::sidecar::StoredBackup;
use api::v1beta1::PinnedBackup;
use planner::BackupRef;

use super::wish::{Target, Wish};
use crate::observe::reference;

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// This one.
    One {
        /// Pinned.
        backup: Box<BackupRef>,
        /// The id of the one before it, to be named should this one be refused.
        before: Option<String>,
        /// What was chosen of which, and how far it is from what was asked for.
        told: String,
        /// The highest revision in any backup of the same cluster.
        highest: i64,
    },
    /// None is such; the sentence says what there is.
    None(String),
}

/// Chooses. Backups of several clusters of the name are told apart by UID: the newest decides whose
/// are meant, since revisions of one say nothing of another.
pub fn choose(wish: &Wish, all: &[StoredBackup]) -> Choice {
    let is_meant = |backup: &&StoredBackup| {
        wish.uid.as_ref().is_none_or(|uid| backup.cluster_uid == *uid)
            && wish.id.as_ref().is_none_or(|id| backup.id == *id)
    };
    let mut meant: Vec<&StoredBackup> = all.iter().filter(is_meant).collect();
    meant.sort_by_key(|backup| Reverse(age(backup)));
    let uids: BTreeSet<&str> = meant.iter().map(|backup| backup.cluster_uid.as_str()).collect();
    let newest = uids.iter().filter_map(|uid| meant.iter().find(|it| it.cluster_uid == **uid));
    let newest = newest.max_by_key(|backup| (backup.finish_time, &backup.id)).copied();
    let Some(newest) = newest else { return none(wish, &meant) };
    let of_it = all.iter().filter(|backup| backup.cluster_uid == newest.cluster_uid);
    let highest = of_it.map(|backup| backup.revision).max().unwrap_or_default();
    meant.retain(|it| it.cluster_uid == newest.cluster_uid);
    let mut fit = meant.iter().filter(|backup| is_at_or_before(backup, wish.target));
    let Some(chosen) = fit.next().copied() else { return too_early(wish, &meant) };
    let before = fit.find(|backup| backup.damaged.is_none()).map(|backup| backup.id.clone());
    if let Some(why) = &chosen.damaged {
        return damaged(wish, chosen, why, before);
    }
    Choice::One {
        backup: Box::new(reference(chosen)),
        before,
        told: told(wish, chosen, &uids),
        highest,
    }
}

/// The one that is asked for cannot be restored. An older one is a person's choice.
fn damaged(wish: &Wish, chosen: &StoredBackup, why: &str, before: Option<String>) -> Choice {
    let Some(before) = before else { return none(wish, &[chosen]) };
    Choice::None(format!(
        "backup {} (revision {}, complete at {}) of {} is what is asked for, and is damaged: {why}; \
         nothing older is restored by itself; the one before it is {before}: name it in spec.restore",
        chosen.id,
        chosen.revision,
        chosen.finish_time,
        looked_for(wish)
    ))
}

/// Just the backup that a cluster began with, however many came after it: what is in those it never
/// had.
pub fn same(wish: &Wish, origin: &PinnedBackup, all: &[StoredBackup]) -> Choice {
    let is_it = |backup: &&StoredBackup| {
        backup.id == origin.id && backup.manifest_digest == origin.manifest_digest
    };
    let found = all.iter().find(is_it);
    let Some(backup) = found.filter(|backup| backup.damaged.is_none()) else {
        let damage = found.and_then(|backup| backup.damaged.as_deref());
        let why = damage.unwrap_or("it is not there any more");
        return Choice::None(format!("of {}: {why}", looked_for(wish)));
    };
    let of_it = all.iter().filter(|other| other.cluster_uid == backup.cluster_uid);
    let (id, revision, time) = (&backup.id, backup.revision, backup.finish_time);
    Choice::One {
        backup: Box::new(reference(backup)),
        before: None,
        told: format!(
            "backup {id} (revision {revision}, complete at {time}) of {}, with which this cluster \
             began: none of its own was stored yet",
            looked_for(wish)
        ),
        highest: of_it.map(|backup| backup.revision).max().unwrap_or_default(),
    }
}

/// Orders the backups of one cluster, the newest last: its revisions only grow, and clocks may be
/// wrong.
fn age(backup: &StoredBackup) -> (i64, jiff::Timestamp, &str) {
    (backup.revision, backup.finish_time, &backup.id)
}

fn is_at_or_before(backup: &StoredBackup, target: Target) -> bool {
    match target {
        Target::Latest => true,
        Target::Revision(revision) => backup.revision <= revision,
        Target::Time(time) => backup.finish_time <= time,
    }
}

/// What was looked for, in words.
fn looked_for(wish: &Wish) -> String {
    let mut words = format!("{}/{}", wish.namespace, wish.cluster);
    if let Some(uid) = &wish.uid {
        words = format!("{words} (UID {uid})");
    }
    let place = match &wish.claim {
        Some(claim) => format!("the volume of claim {claim}"),
        None => wish.place.store.clone(),
    };
    format!("{words} in {place}")
}

fn none(wish: &Wish, damaged: &[&StoredBackup]) -> Choice {
    let place = looked_for(wish);
    let what = wish.id.as_ref().map_or("backup".to_owned(), |id| format!("backup {id}"));
    Choice::None(match damaged.first() {
        Some(first) => format!(
            "every {what} of {place} is damaged; the newest, {}: {}",
            first.id,
            first.damaged.as_deref().unwrap_or_default()
        ),
        None => format!("there is no {what} of {place}: look at the names and at the place"),
    })
}

fn too_early(wish: &Wish, meant: &[&StoredBackup]) -> Choice {
    let oldest = meant.last().map_or_else(String::new, |oldest| {
        format!(
            "; the oldest is {} (revision {}, complete at {})",
            oldest.id, oldest.revision, oldest.finish_time
        )
    });
    let target = match wish.target {
        Target::Latest => "at all".to_owned(),
        Target::Revision(revision) => format!("at or before revision {revision}"),
        Target::Time(time) => format!("that was complete at {time}"),
    };
    Choice::None(format!("there is no backup of {} {target}{oldest}", looked_for(wish)))
}

fn told(wish: &Wish, chosen: &StoredBackup, uids: &BTreeSet<&str>) -> String {
    let mut words = format!(
        "backup {} (revision {}, complete at {}) of {}",
        chosen.id,
        chosen.revision,
        chosen.finish_time,
        looked_for(wish)
    );
    words = match wish.target {
        Target::Latest => words,
        Target::Revision(revision) => {
            let before = revision.saturating_sub(chosen.revision);
            format!("{words}, {before} revisions before revision {revision}, which was asked for")
        }
        Target::Time(time) => {
            let before = time.duration_since(chosen.finish_time);
            format!("{words}, {before:#} before {time}, which was asked for")
        }
    };
    if uids.len() < 2 {
        return words;
    }
    let others: Vec<&str> = uids.iter().copied().filter(|uid| *uid != chosen.cluster_uid).collect();
    format!(
        "{words}; of the cluster with UID {}, whose backup is the newest: for another of the name \
         write its uid in spec.restore.location ({})",
        chosen.cluster_uid,
        others.join(", ")
    )
}

/// The UID of the cluster that a backup is of, from where it is stored:
/// `…/v1/NAMESPACE/CLUSTER/UID/snapshots/…`.
pub fn uid_in(location: &str) -> Option<String> {
    let (archive, _) = location.rsplit_once("/snapshots/")?;
    archive.rsplit('/').next().filter(|uid| !uid.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::backup::{Credentials, ValidatedBackup};

    fn wish(target: Target) -> Wish {
        Wish {
            namespace: "shop".into(),
            cluster: "orders".into(),
            uid: None,
            id: None,
            target,
            place: ValidatedBackup {
                policy: serde_json::from_value(json!({})).unwrap(),
                store: "s3://b".into(),
                credentials: Credentials::None,
                volume: None,
            },
            claim: None,
        }
    }

    fn stored(uid: &str, id: &str, revision: i64, minute: u32, more: &Value) -> StoredBackup {
        let mut backup = json!({
            "id": id, "clusterUid": uid, "reason": "scheduled", "etcdVersion": "3.6.16",
            "revision": revision, "compactRevision": 0, "rawSize": 9, "storedSize": 9,
            "manifestDigest": "ab", "startTime": "2026-11-24T02:00:00Z",
            "finishTime": format!("2026-11-24T03:{minute:02}:00Z"),
            "location": format!("s3://b/v1/shop/orders/{uid}/snapshots/{id}"),
        });
        backup.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(backup).unwrap()
    }

    fn all() -> Vec<StoredBackup> {
        vec![
            stored("old", "x", 900, 5, &json!({})),
            stored("new", "a", 10, 10, &json!({})),
            stored("new", "b", 20, 20, &json!({})),
            stored("new", "c", 30, 30, &json!({})),
        ]
    }

    fn chosen(wish: &Wish, all: &[StoredBackup]) -> (String, Option<String>, String) {
        let Choice::One { backup, before, told, .. } = choose(wish, all) else { panic!() };
        (backup.id, before, told)
    }

    #[test]
    fn the_newest_of_all_clusters_of_the_name_is_taken_and_the_others_are_named() {
        let (id, before, told) = chosen(&wish(Target::Latest), &all());
        assert_eq!((id.as_str(), before.as_deref()), ("c", Some("b")));
        assert!(told.contains("UID new") && told.contains("(old)"), "{told}");
        let (id, before, told) =
            chosen(&Wish { uid: Some("old".into()), ..wish(Target::Latest) }, &all());
        assert_eq!((id.as_str(), before), ("x", None));
        assert!(!told.contains("another of the name"), "{told}");
    }

    #[test]
    fn a_target_takes_the_last_one_at_or_before_it_and_says_how_far_that_is() {
        let (id, _, told) = chosen(&wish(Target::Revision(29)), &all());
        assert_eq!(id, "b");
        assert!(told.contains("9 revisions before revision 29"), "{told}");
        assert_eq!(chosen(&wish(Target::Revision(30)), &all()).0, "c");
        let time = "2026-11-24T03:19:59Z".parse().unwrap();
        let (id, _, told) = chosen(&wish(Target::Time(time)), &all());
        assert_eq!(id, "a");
        assert!(told.contains("9m 59s before"), "{told}");
    }

    #[test]
    fn revisions_beyond_the_chosen_backup_were_used_too() {
        let Choice::One { highest, .. } = choose(&wish(Target::Revision(15)), &all()) else {
            panic!()
        };
        assert_eq!(highest, 30);
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let Choice::None(why) = choose(&wish(Target::Revision(9)), &all()) else { panic!() };
        assert!(why.contains("before revision 9") && why.contains("the oldest is a"), "{why}");
        let Choice::None(why) = choose(&wish(Target::Latest), &[]) else { panic!() };
        assert!(why.contains("shop/orders in s3://b"), "{why}");
    }

    #[test]
    fn of_one_cluster_the_highest_revision_is_the_newest_whatever_the_clocks_said() {
        let mut all = all();
        all.push(stored("new", "ahead", 15, 59, &json!({})));
        let (id, before, _) = chosen(&wish(Target::Latest), &all);
        assert_eq!((id.as_str(), before.as_deref()), ("c", Some("b")));
    }

    #[test]
    fn a_damaged_one_that_is_asked_for_is_not_replaced_by_an_older_one() {
        let damaged = json!({"damaged": "read back and found damaged"});
        let mut all = all();
        all.push(stored("new", "d", 40, 40, &damaged));
        let Choice::None(why) = choose(&wish(Target::Latest), &all) else { panic!() };
        for part in ["backup d (revision 40", "read back and found", "the one before it is c"] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(chosen(&wish(Target::Revision(39)), &all).0, "c", "it is not asked for");
        let named = Wish { id: Some("c".into()), ..wish(Target::Latest) };
        assert_eq!(chosen(&named, &all).0, "c");
        // Nor by one of an earlier cluster.
        let earlier =
            [stored("old", "x", 900, 5, &json!({})), stored("new", "d", 40, 40, &damaged)];
        assert!(matches!(choose(&wish(Target::Latest), &earlier), Choice::None(_)));
        let only = [stored("new", "d", 40, 40, &damaged)];
        let Choice::None(why) = choose(&wish(Target::Latest), &only) else { panic!() };
        assert!(why.contains("is damaged; the newest, d: read back"), "{why}");
    }

    #[test]
    fn what_a_cluster_began_with_is_found_again_and_nothing_newer_is_taken() {
        let origin = |id: &str, digest: &str| -> PinnedBackup {
            serde_json::from_value(json!({
                "id": id, "manifestDigest": digest, "location": "s3://b", "revision": 20,
                "finishTime": "2026-11-24T03:20:00Z",
            }))
            .unwrap()
        };
        let Choice::One { backup, before, told, highest } =
            same(&wish(Target::Latest), &origin("b", "ab"), &all())
        else {
            panic!()
        };
        assert_eq!((backup.id.as_str(), before, highest), ("b", None, 30));
        assert!(told.contains("with which this cluster began"), "{told}");
        for gone in [origin("z", "ab"), origin("b", "cd")] {
            let choice = same(&wish(Target::Latest), &gone, &all());
            assert!(matches!(choice, Choice::None(why) if why.contains("not there any more")));
        }
        let damaged = [stored("new", "b", 20, 20, &json!({"damaged": "page 7 is damaged"}))];
        let choice = same(&wish(Target::Latest), &origin("b", "ab"), &damaged);
        assert!(matches!(choice, Choice::None(why) if why.contains("page 7")));
    }

    #[test]
    fn the_uid_is_read_from_the_place() {
        let on_volume = "file:///var/lib/etcd-backups/v1/shop/orders/u-1/snapshots/0a-2026/";
        assert_eq!(uid_in(on_volume).as_deref(), Some("u-1"));
        assert_eq!(uid_in("s3://b"), None);
    }
}
