//! What is listed, what is read, what is chosen.

use bytes::Bytes;

use super::{fixture::*, *};
use crate::store::objects::Objects;

fn memory() -> Arc<dyn Store> {
    Arc::new(Objects::memory())
}

fn listed(uid: &str, revision: u64, start: &str, committed: &str) -> Listed {
    Listed {
        archive: ArchivePath::new("prod", "orders", uid).unwrap(),
        id: BackupId::new(revision, at(start)),
        committed: at(committed),
        stored_size: Some(1),
        verified: None,
        damaged: None,
        others: Vec::new(),
        wanted: None,
        shares_its_folder: false,
    }
}

#[tokio::test]
async fn a_backup_is_not_listed_before_its_manifest() {
    let store = memory();
    let id = BackupId::new(7, at("10:00:00"));
    put(&*store, archive().object(id, "attempt.json").unwrap(), "{}").await;
    put(&*store, archive().data(id).unwrap(), "x").await;
    assert_eq!(list(&*store, &archive()).await.unwrap(), []);

    put(&*store, archive().manifest(id).unwrap(), "{}").await;
    let found = list(&*store, &archive()).await.unwrap();
    assert_eq!(
        found.iter().map(|one| (one.id, one.stored_size)).collect::<Vec<_>>(),
        [(id, Some(1))]
    );
}

#[tokio::test]
async fn all_are_listed_newest_first_and_those_of_other_archives_are_not() {
    let store = memory();
    let [old, new] = [
        fixture::store(&*store, 5, "10:00:00").await,
        fixture::store(&*store, 9, "09:30:00").await,
    ];
    let other = ArchivePath::new("prod", "orders", "other").unwrap();
    put(&*store, other.manifest(old).unwrap(), "{}").await;

    let ids = |found: Vec<Listed>| found.iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(ids(list(&*store, &archive()).await.unwrap()), [new, old]);
    assert_eq!(ids(list_of_name(&*store, "prod", "orders").await.unwrap()), [new, old, old]);
    assert_eq!(ids(list_of_name(&*store, "prod", "order").await.unwrap()), []);
}

#[tokio::test]
async fn the_last_finding_is_what_counts() {
    let store = memory();
    let id = fixture::store(&*store, 5, "10:00:00").await;
    let found = async |time: &str, is_good| {
        put(&*store, archive().verification(id, at(time), is_good).unwrap(), "{}").await;
        let one = list(&*store, &archive()).await.unwrap().remove(0);
        (one.verified, one.damaged)
    };
    assert_eq!(found("11:00:00", true).await, (Some(at("11:00:00")), None));
    assert_eq!(found("12:00:00", false).await, (Some(at("11:00:00")), Some(at("12:00:00"))));
    assert_eq!(found("13:00:00", true).await, (Some(at("13:00:00")), None));
}

#[test]
fn damage_is_not_hidden_by_a_finding_of_a_clock_that_was_ahead() {
    let id = BackupId::new(5, at("10:00:00"));
    let finding = |name: &str, is_good, stored: &str| {
        let key = archive().verification(id, at(name), is_good).unwrap();
        let kind = if is_good { Kind::Verified(at(name)) } else { Kind::Damaged(at(name)) };
        (kind, Entry { key, size: 2, modified: at(stored) })
    };
    let manifest =
        Entry { key: archive().manifest(id).unwrap(), size: 9, modified: at("10:00:01") };
    let ahead = finding("13:00:00", true, "12:00:00");
    let mut folder = Folder { entries: vec![(Kind::Manifest(5), manifest), ahead] };
    folder.entries.push(finding("12:02:00", false, "12:02:00"));
    assert_eq!(folder.list(&archive(), id.start())[0].damaged, Some(at("12:02:00")));
    folder.entries.push(finding("12:03:00", true, "12:03:00"));
    assert_eq!(folder.list(&archive(), id.start())[0].damaged, None);
}

#[tokio::test]
async fn a_backup_without_its_data_or_with_a_part_of_it_is_never_the_newest() {
    let store = memory();
    let good = fixture::store(&*store, 5, "10:00:00").await;
    let [gone, cut, bad] = [
        fixture::store(&*store, 6, "11:00:00").await,
        fixture::store(&*store, 7, "12:00:00").await,
        fixture::store(&*store, 8, "13:00:00").await,
    ];
    for id in [gone, cut] {
        store.delete(&archive().data(id).unwrap()).await.unwrap();
    }
    put(&*store, archive().data(cut).unwrap(), "plums in").await;
    put(&*store, archive().verification(bad, at("14:00:00"), false).unwrap(), "{}").await;

    let all = list(&*store, &archive()).await.unwrap();
    let newest = newest_whole(&*store, &all).await.unwrap().unwrap();

    assert_eq!((newest.listed.id, newest.committed.manifest.id), (good, good));
    let passed: Vec<_> = newest.passed_over.iter().map(|(id, _)| *id).collect();
    assert_eq!(passed, [bad, cut, gone]);
    let why = |index: usize| newest.passed_over[index].1.as_str();
    assert!(why(0).starts_with("at 2026-11-22T14:00:00Z it was read back and found damaged"));
    assert_eq!(why(1), "its data has 8 bytes where its manifest says 13; delete it");
    assert_eq!(why(2), "its data is not in the store; delete it");
    assert_eq!(newest_whole(&*store, &all[..3]).await.unwrap(), None);
}

#[tokio::test]
async fn an_archive_is_found_by_what_died_in_it_too() {
    let store = memory();
    let other = ArchivePath::new("prod", "orders", "other").unwrap();
    let id = fixture::store(&*store, 5, "10:00:00").await;
    put(&*store, other.data(id).unwrap(), "half").await;
    let found = archives(&*store, None).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [archive(), other]);
}

#[tokio::test]
async fn a_manifest_is_read_with_the_digest_of_its_bytes() {
    let store = memory();
    let id = fixture::store(&*store, 5, "10:00:00").await;
    let committed = read(&*store, &archive(), id).await.unwrap();
    assert_eq!(committed.manifest.id, id);
    assert_eq!(committed.digest, Digest::of(&committed.manifest.to_bytes().unwrap()));
}

#[tokio::test]
async fn a_damaged_manifest_is_shown_as_damaged_and_hides_no_other() {
    let store = memory();
    let good = fixture::store(&*store, 5, "10:00:00").await;
    for (revision, bytes) in [(6, "{"), (7, ""), (8, r#"{"format": 9}"#)] {
        let id = BackupId::new(revision, at("11:00:00"));
        put(&*store, archive().manifest(id).unwrap(), bytes).await;
    }
    let all = list(&*store, &archive()).await.unwrap();
    let read: Vec<_> = read_all(&store, all).collect().await;
    let reasons: Vec<_> = read
        .iter()
        .map(|(_, read)| {
            read.as_ref().map_or_else(Error::reason, |committed| {
                assert_eq!(committed.manifest.id, good);
                "good"
            })
        })
        .collect();
    assert_eq!(reasons, ["UnknownFormat", "Damaged", "Damaged", "good"]);
}

#[tokio::test]
async fn a_manifest_that_was_copied_from_elsewhere_is_refused() {
    let store = memory();
    let id = BackupId::new(8, at("11:00:00"));
    let foreign = manifest(7, "2026-11-22T11:00:00Z").to_bytes().unwrap();
    store.put_if_absent(&archive().manifest(id).unwrap(), foreign, None).await.unwrap();
    let error = read(&*store, &archive(), id).await.unwrap_err();
    assert!(error.to_string().contains("was it copied here by hand?"), "{error}");
}

#[tokio::test]
async fn a_manifest_of_absurd_size_is_not_read_into_memory() {
    let store = memory();
    let id = BackupId::new(8, at("11:00:00"));
    let huge = Bytes::from(vec![b' '; usize::try_from(LARGEST_MANIFEST).unwrap() + 1]);
    store.put_if_absent(&archive().manifest(id).unwrap(), huge, None).await.unwrap();
    assert_eq!(read(&*store, &archive(), id).await.unwrap_err().reason(), "Damaged");
}

#[test]
fn revisions_decide_within_an_archive_and_the_time_between_archives() {
    let backups = [
        listed("a", 100, "09:00:00", "12:00:00"),
        listed("a", 120, "08:00:00", "11:00:00"),
        listed("b", 3, "07:00:00", "11:30:00"),
    ];
    let chosen =
        |found: Option<&Listed>| found.map(|one| (one.archive.uid().to_owned(), one.id.revision()));
    let is = |uid: &str, revision| Some((uid.to_owned(), revision));
    assert_eq!(chosen(newest(&backups)), is("b", 3));
    assert_eq!(chosen(newest(&backups[..2])), is("a", 120));
    assert_eq!(chosen(at_time(&backups[..2], at("08:59:59"))), is("a", 120));
    assert_eq!(chosen(at_time(&backups, at("06:00:00"))), None);
    assert_eq!(chosen(at_revision(&backups[..2], 119)), is("a", 100));
    assert_eq!(chosen(at_revision(&backups[..2], 99)), None);
}

#[test]
fn an_id_that_two_archives_have_needs_the_uid() {
    let backups =
        [listed("a", 100, "09:00:00", "12:00:00"), listed("b", 100, "09:00:00", "12:00:00")];
    let id = backups[0].id;
    assert_eq!(by_id(&backups, id, Some("b")).unwrap().archive.uid(), "b");
    assert!(by_id(&backups, id, None).unwrap_err().to_string().contains("say which UID"));
    let missing = by_id(&backups, BackupId::new(1, at("09:00:00")), None).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "the backup 0000000000000001-20261122T090000Z is not in the store"
    );
}
