use std::time::Duration;

use api::sidecar::{BackupList, StoredBackup};
use archive::digest::Digest;
use archive::layout::ArchivePath;
use archive::store::Store;
use axum::http::Method;

use super::fixture::Site;
use crate::serve::engine::tests::world::{GZIPPED, World, manifest, put};
use crate::serve::listener::Limits;

/// A site with two backups, and one of an earlier cluster of the name.
async fn site() -> (Site, Vec<StoredBackup>) {
    let world = World::new();
    let earlier = ArchivePath::new("shop", "kv", "earlier").unwrap();
    let time = world.clock.now() - jiff::SignedDuration::from_hours(9);
    put(&*world.store, &earlier, &manifest(&earlier, 900, time, time), GZIPPED.into()).await;
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    assert_eq!(site.get("/v1/backupnow").await.status.as_u16(), 200);
    let list: BackupList = site.get("/v1/backups?all=true").await.json();
    (site, list.backups)
}

#[tokio::test]
async fn the_list_has_the_newest_first_and_earlier_clusters_only_when_asked() {
    let (site, all) = site().await;
    let revisions: Vec<_> = all.iter().map(|backup| backup.revision).collect();
    assert_eq!(revisions, [101, 100, 900]);
    let own: BackupList = site.get("/v1/backups").await.json();
    assert_eq!((own.store.as_str(), &own.backups[..]), ("s3://bucket/prefix", &all[..2]));
    assert!(all[0].location.starts_with("s3://bucket/prefix/v1/shop/kv/0e1f-77/snapshots/2026"));
    assert_eq!(site.get("/v1/backups?all=maybe").await.error(), (400, "BadInput".into()));
}

#[tokio::test]
async fn one_backup_is_found_by_its_id_and_an_earlier_clusters_by_its_uid_too() {
    let (site, all) = site().await;
    let one: StoredBackup = site.get(&format!("/v1/backups/{}", all[0].id)).await.json();
    assert_eq!(one, all[0]);
    let path = format!("/v1/backups/{}", all[2].id);
    assert_eq!(site.get(&path).await.error(), (404, "NotFound".into()));
    let earlier: StoredBackup = site.get(&format!("{path}?uid=earlier")).await.json();
    assert_eq!(earlier, all[2]);
    assert_eq!(site.get(&format!("{path}/data?uid=earlier")).await.status.as_u16(), 200);
    assert_eq!(site.get(&format!("{path}/data")).await.error(), (404, "NotFound".into()));
    assert_eq!(site.get(&format!("{path}?uid=..%2Fx")).await.error(), (404, "NotFound".into()));
    assert_eq!(
        site.get(&format!("{path}/data?uid=..%2Fx")).await.error(),
        (400, "BadInput".into())
    );
    assert_eq!(site.get("/v1/backups/newest").await.error(), (400, "BadInput".into()));
}

#[tokio::test]
async fn the_manifest_is_the_bytes_whose_digest_the_list_shows() {
    let (site, all) = site().await;
    let answer = site.get(&format!("/v1/backups/{}/manifest", all[0].id)).await;
    assert_eq!(Digest::of(&answer.body).to_string(), all[0].manifest_digest);
}

#[tokio::test]
async fn the_stored_object_is_given_whole_or_by_ranges() {
    let (site, all) = site().await;
    let path = format!("/v1/backups/{}/data", all[0].id);
    let whole = site.get(&path).await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, GZIPPED));
    assert_eq!((whole.header("Accept-Ranges"), whole.header("Content-Length")), ("bytes", "25"));
    let mut client = site.client().await;
    for (range, status, body, content_range) in [
        ("bytes=0-1", 206, &GZIPPED[..2], "bytes 0-1/25"),
        ("bytes=20-", 206, &GZIPPED[20..], "bytes 20-24/25"),
        ("bytes=-5", 206, &GZIPPED[20..], "bytes 20-24/25"),
        ("bytes=3-999", 206, &GZIPPED[3..], "bytes 3-24/25"),
        ("bytes=0-1,3-4", 200, GZIPPED, ""),
    ] {
        let answer = client.ask(Method::GET, &path, &[("range", range)], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body), "{range}");
        assert_eq!(answer.header("Content-Range"), content_range, "{range}");
        assert_eq!(answer.header("Content-Length"), body.len().to_string(), "{range}");
    }
    let beyond = client.ask(Method::GET, &path, &[("range", "bytes=25-")], "").await;
    assert_eq!(
        (beyond.error(), beyond.header("Content-Range")),
        ((416, "Range".into()), "bytes */25")
    );
    let head = client.ask(Method::HEAD, &path, &[("range", "bytes=0-1")], "").await;
    assert_eq!((head.status.as_u16(), head.header("Content-Length")), (206, "2"));
    for (tag, status) in [(whole.header("ETag"), 206), ("\"another\"", 200)] {
        let headers = [("range", "bytes=0-1"), ("if-range", tag)];
        assert_eq!(client.ask(Method::GET, &path, &headers, "").await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_deleted_backup_is_gone_and_deleting_it_again_is_404() {
    let (site, all) = site().await;
    let path = format!("/v1/backups/{}", all[0].id);
    assert_eq!(site.ask(Method::DELETE, &path).await.status.as_u16(), 204);
    assert_eq!(site.get(&path).await.error(), (404, "NotFound".into()));
    assert_eq!(site.ask(Method::DELETE, &path).await.error(), (404, "NotFound".into()));
    site.until(async || site.world.status().backups == 1).await;
}

#[tokio::test]
async fn the_archive_is_deleted_with_all_backups_but_not_those_of_earlier_clusters() {
    let (site, all) = site().await;
    assert_eq!(site.ask(Method::DELETE, "/v1/archive").await.status.as_u16(), 204);
    let left: BackupList = site.get("/v1/backups?all=true").await.json();
    assert_eq!(left.backups, all[2..]);
    assert_eq!(site.get("/v1/backupnow").await.error(), (410, "Erased".into()));
}

#[tokio::test]
async fn retention_spares_a_backup_that_somebody_is_restoring_from() {
    let mut world = World::new();
    world.max_backups = 1;
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    let first: BackupList = site.get("/v1/backups").await.json();
    let path = format!("/v1/backups/{}", first.backups[0].id);
    assert_eq!(site.get(&format!("{path}/manifest")).await.status.as_u16(), 200);
    for _ in 0..3 {
        assert_eq!(site.get("/v1/backupnow").await.status.as_u16(), 200);
    }
    site.until(async || site.world.stored().await == 2).await;
    assert_eq!(site.get(&path).await.status.as_u16(), 200);
}

#[tokio::test]
async fn retention_spares_a_backup_that_a_reader_elsewhere_gives_to_a_restore() {
    let mut world = World::new();
    world.max_backups = 1;
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    let mut world = World::new();
    (world.store, world.is_reader) = (site.world.store.clone(), true);
    let reader = Site::with(world, Limits::default()).await;
    reader.until(async || reader.world.status().backups == 1).await;
    let first: BackupList = reader.get("/v1/backups").await.json();
    let path = format!("/v1/backups/{}/manifest", first.backups[0].id);
    assert_eq!(reader.get(&path).await.status.as_u16(), 200);
    for _ in 0..3 {
        site.world.now().await.unwrap();
    }
    site.until(async || site.world.stored().await == 2).await;
    assert_eq!(reader.get(&path).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_backup_whose_data_is_gone_or_cut_is_shown_and_is_nobodys_newest() {
    let mut world = World::new();
    world.max_backups = 1;
    let mut site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    let good: BackupList = site.get("/v1/backups").await.json();
    let good = &good.backups[0].id;
    // As a later one of which a lifecycle rule took the data.
    let (archive, time) = (site.world.archive.clone(), site.world.clock.now());
    for (revision, data) in [(900_u64, None), (901, Some("half"))] {
        let time = time + jiff::SignedDuration::from_secs(revision.cast_signed());
        let manifest = manifest(&archive, revision, time, time);
        put(&*site.world.store, &archive, &manifest, data.unwrap_or_default().into()).await;
        if data.is_none() {
            site.world.store.delete(&archive.data(manifest.id).unwrap()).await.unwrap();
        }
    }
    let newest = site.get("/v1/backup").await;
    assert_eq!((newest.status.as_u16(), &newest.body[..]), (200, &b"plums"[..]));
    assert_eq!(newest.header("x-revision"), "100");
    let listed: BackupList = site.get("/v1/backups").await.json();
    let damaged: Vec<_> =
        listed.backups.iter().map(|one| one.damaged.clone().unwrap_or_default()).collect();
    assert_eq!(damaged[0], "its data has 4 bytes where its manifest says 25; delete it");
    assert_eq!(damaged[1], "its data is not in the store; delete it");
    site.world.start();
    site.until(async || site.world.status().backups > 0).await;
    assert_eq!(site.get(&format!("/v1/backups/{good}")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn retention_spares_it_after_a_restart_too() {
    let mut world = World::new();
    world.max_backups = 1;
    let mut site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    let first: BackupList = site.get("/v1/backups").await.json();
    let first = &first.backups[0].id;
    for path in ["manifest", "data"] {
        let path = format!("/v1/backups/{first}/{path}");
        assert_eq!(site.get(&path).await.status.as_u16(), 200);
    }
    site.world.start();
    for _ in 0..3 {
        site.world.now().await.unwrap();
    }
    site.until(async || site.world.stored().await == 2).await;
    let id = first.parse().unwrap();
    let notes = site.world.notes(id).await;
    assert_eq!(notes.len(), 1, "one note for all pieces: {notes:?}");
    let later = archive::retention::PIN.as_secs() + 1;
    site.world.jump.store(later, std::sync::atomic::Ordering::SeqCst);
    site.world.now().await.unwrap();
    site.until(async || site.world.stored().await == 1).await;
    assert!(site.world.notes(id).await.is_empty(), "it went with the backup");
}

#[tokio::test]
async fn a_reader_gives_everything_and_changes_nothing() {
    let (writer, all) = site().await;
    let mut world = World::new();
    (world.store, world.is_reader) = (writer.world.store.clone(), true);
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 2).await;
    let path = format!("/v1/backups/{}", all[0].id);
    let id = all[0].id.parse().unwrap();
    assert_eq!(site.world.notes(id).await, [""; 0]);
    assert_eq!(site.get(&format!("{path}/data")).await.status.as_u16(), 200);
    assert_eq!(site.world.notes(id).await.len(), 1, "for the sidecar that prunes there");
    assert_eq!(site.get("/v1/backup").await.status.as_u16(), 200);
    for refused in [
        site.get("/v1/backupnow").await,
        site.ask(Method::DELETE, &path).await,
        site.ask(Method::DELETE, "/v1/archive").await,
    ] {
        assert_eq!(refused.error(), (403, "ReadOnly".into()));
    }
}

#[tokio::test]
async fn while_the_store_cannot_be_opened_answers_say_why() {
    let world = World::new();
    world.closed.store(u64::MAX, std::sync::atomic::Ordering::SeqCst);
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().failing.is_some()).await;
    let answer = site.get("/v1/backups").await;
    assert_eq!((answer.error(), answer.header("Retry-After")), ((503, "StoreNotOpen".into()), "5"));
    assert!(String::from_utf8_lossy(&answer.body).contains("connection refused"), "{answer:?}");
    let soon = tokio::time::timeout(Duration::from_secs(20), site.get("/v1/status")).await;
    assert_eq!(soon.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_told_to_be_wrong() {
    let site = Site::new().await;
    assert_eq!(site.get("/v2/backup").await.error(), (404, "NoRoute".into()));
    assert_eq!(site.ask(Method::POST, "/v1/backups").await.error(), (405, "Method".into()));
}
