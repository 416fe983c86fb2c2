use std::time::Duration;

use ::archive::layout::ArchivePath;
use ::archive::store::Store;

use super::world::{Act, World, manifest, put};
use crate::serve::engine::Refusal;
use crate::serve::stock::Stock;

#[tokio::test(start_paused = true)]
async fn retention_follows_each_backup() {
    let mut world = World::new();
    world.max_backups = 2;
    world.start();
    world.minutes(125).await;
    assert_eq!((world.attempts(), world.stored().await, world.status().backups), (5, 2, 2));
    let newest = world.status().recent_backup.unwrap();
    assert_eq!((newest.revision, newest.time_took_in_second), (104, 1));
}

#[tokio::test(start_paused = true)]
async fn backups_of_earlier_clusters_of_the_name_are_counted_and_kept() {
    let mut world = World::new();
    world.max_backups = 1;
    let earlier = ArchivePath::new("shop", "kv", "earlier").unwrap();
    for revision in [500, 501] {
        let time = world.clock.now() - jiff::SignedDuration::from_hours(revision);
        let manifest = manifest(&earlier, revision.unsigned_abs(), time, time);
        put(&*world.store, &earlier, &manifest, "plums".into()).await;
    }
    world.start();
    world.minutes(40).await;
    let status = world.status();
    assert_eq!((status.backups, status.earlier_backups, world.attempts()), (1, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_died_leaves_nothing_for_more_than_a_day() {
    let mut world = World::new().acts([Act::Store(Duration::ZERO), Act::Unchanged]);
    // The store's clock is the computer's, which tests cannot set: the world goes by it, and what the
    // store shows is older.
    let now = jiff::Timestamp::from_second(
        std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().try_into().unwrap(),
    );
    let ahead = now.unwrap().duration_since(world.clock.now()).as_secs();
    let dead = world.clock.now() + jiff::SignedDuration::from_secs(ahead - 2 * 86_400);
    world.mood.is_old.store(true, std::sync::atomic::Ordering::SeqCst);
    world.jump.store(ahead, std::sync::atomic::Ordering::SeqCst);
    let id = ::archive::layout::BackupId::new(7, dead);
    // Nobody but the sidecar of the name cleans up after an earlier cluster.
    let earlier = ArchivePath::new("shop", "kv", "earlier").unwrap();
    let keys = [world.archive.data(id).unwrap(), earlier.data(id).unwrap()];
    for key in &keys {
        world.store.put_if_absent(key, "half".into(), None).await.unwrap();
    }
    world.start();
    world.minutes(1).await;
    for key in &keys {
        assert_eq!(world.store.head(key).await.unwrap_err().reason(), "NotFound", "{key}");
    }
    assert_eq!(world.stored().await, 1);
}

#[tokio::test(start_paused = true)]
async fn until_the_store_was_listed_the_status_says_that_nothing_is_known() {
    let mut world = World::new();
    world.start();
    world.minutes(1).await;
    assert!(!world.status().unlisted);
    world.closed.store(2, std::sync::atomic::Ordering::SeqCst);
    world.start();
    world.pass(Duration::from_millis(100)).await;
    let status = world.status();
    assert!(status.unlisted && status.failing.is_some(), "{status:?}");
    world.minutes(2).await;
    let status = world.status();
    assert_eq!((status.unlisted, status.backups, status.failing), (false, 1, None));
}

#[tokio::test]
async fn while_the_archive_is_deleted_the_number_falls() {
    let world = World::new();
    for revision in 1..=130 {
        let time = world.clock.now() - jiff::SignedDuration::from_hours(revision);
        let manifest = manifest(&world.archive, revision.unsigned_abs(), time, time);
        put(&*world.store, &world.archive, &manifest, "plums".into()).await;
    }
    let (store, archive) = (world.store.clone(), world.archive.clone());
    let stock = Stock::new(store, archive, "s3://bucket", world.clock.clone());
    let told = std::sync::Mutex::new(Vec::new());
    stock.erase(|left| told.lock().unwrap().push(left)).await.unwrap();
    assert_eq!((told.into_inner().unwrap(), world.stored().await), (vec![66, 2, 0], 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_archive_ends_the_backups_too() {
    let mut world =
        World::new().acts([Act::Store(Duration::ZERO), Act::Store(Duration::from_secs(99))]);
    world.start();
    world.minutes(31).await;
    assert_eq!(world.status().running.as_deref(), Some("scheduled"));
    world.erase().await.unwrap();
    assert_eq!(world.stored().await, 0);
    world.minutes(120).await;
    let status = world.status();
    assert_eq!((status.backups, status.next, status.running), (0, None, None));
    assert_eq!((world.attempts(), world.stored().await), (2, 0));
    assert_eq!(world.now().await.unwrap_err(), Refusal::Erased);
    // Once more, for a caller that did not get the answer.
    world.erase().await.unwrap();
}
