use std::sync::atomic::Ordering;
use std::time::Duration;

use api::sidecar::RequestState;

use super::world::{Act, World};
use crate::serve::engine::Refusal;

fn slow() -> Act {
    Act::Store(Duration::from_mins(1))
}

#[tokio::test(start_paused = true)]
async fn an_order_is_carried_out_at_once_and_counts_as_the_backup_of_the_interval() {
    let mut world = World::new();
    world.start();
    world.minutes(10).await;
    world.order("order-1", "before-upgrade").await.unwrap();
    let request = world.shown.board.order_end("order-1", Duration::from_secs(9)).await.unwrap();
    assert_eq!(request.state, RequestState::Stored);
    assert_eq!(request.backup.as_ref().unwrap().reason, "before-upgrade");
    assert_eq!(request.backup.unwrap().request.as_deref(), Some("order-1"));
    assert_eq!(world.status().next.unwrap().to_string(), "2026-11-24T10:40:01Z");
}

#[tokio::test(start_paused = true)]
async fn the_same_order_again_is_the_same_backup() {
    let mut world = World::new().acts([slow()]);
    world.start();
    world.minutes(2).await;
    for _ in 0..3 {
        world.order("order-1", "on-demand").await.unwrap();
        world.pass(Duration::from_secs(5)).await;
    }
    let request = world.order("order-1", "on-demand").await.unwrap();
    assert_eq!((request.state, request.received > 0), (RequestState::Uploading, true));
    world.minutes(2).await;
    let request = world.order("order-1", "on-demand").await.unwrap();
    assert_eq!((request.state, world.attempts()), (RequestState::Stored, 2));
}

#[tokio::test(start_paused = true)]
async fn the_same_order_after_a_restart_is_the_same_backup() {
    let mut world = World::new();
    world.start();
    world.minutes(1).await;
    world.order("order-1", "on-demand").await.unwrap();
    world.minutes(1).await;
    let first = world.shown.board.order("order-1").unwrap();
    world.start();
    // Given before the list is made, and again after that.
    world.order("order-1", "on-demand").await.unwrap();
    world.minutes(1).await;
    let second = world.order("order-1", "on-demand").await.unwrap();
    assert_eq!(second.backup, first.backup);
    assert_eq!((second.state, world.attempts()), (RequestState::Stored, 2));
    world.start();
    world.minutes(1).await;
    assert_eq!(world.order("order-1", "on-demand").await.unwrap().backup, first.backup);
    assert_eq!(world.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn orders_wait_for_a_backup_that_is_under_way_and_for_each_other() {
    let mut world = World::new().acts([slow()]);
    world.start();
    world.pass(Duration::from_secs(10)).await;
    let (one, other) = (world.order("a", "on-demand").await, world.order("b", "final").await);
    assert_eq!(one.unwrap().state, RequestState::Pending);
    assert_eq!(other.unwrap().state, RequestState::Pending);
    assert_eq!(world.attempts(), 1);
    world.minutes(5).await;
    assert_eq!(world.times(), ["10:00:00", "10:01:00", "10:02:00"]);
    assert_eq!(world.taker.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_backup_now_is_answered_when_it_is_stored_and_many_at_once_get_the_same() {
    let mut world = World::new().acts([slow()]);
    world.start();
    world.pass(Duration::from_secs(10)).await;
    let (one, other) = tokio::join!(world.now(), world.now());
    assert_eq!(one, other);
    assert!(one.is_ok());
    assert_eq!(world.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn orders_that_make_no_sense_are_refused_with_what_to_write() {
    let mut world = World::new();
    world.start();
    for (reason, words) in [("nightly", "write on-demand"), ("scheduled", "write on-demand")] {
        let refusal = world.order("order-1", reason).await.unwrap_err();
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    assert_eq!(world.shown.board.order("order-1"), None);
}

#[tokio::test(start_paused = true)]
async fn too_many_orders_are_refused_and_the_others_are_not_lost() {
    let mut world = World::new().acts([slow()]);
    world.start();
    world.pass(Duration::from_secs(1)).await;
    for number in 0..64 {
        world.order(&format!("{number}"), "on-demand").await.unwrap();
    }
    assert_eq!(world.order("64", "on-demand").await.unwrap_err(), Refusal::TooMany);
}

#[tokio::test(start_paused = true)]
async fn a_reader_takes_nothing_and_deletes_nothing() {
    let mut world = World::new();
    world.start();
    world.minutes(61).await;
    world.is_reader = true;
    world.max_backups = 1;
    world.start();
    world.minutes(200).await;
    assert_eq!((world.attempts(), world.stored().await), (3, 3));
    assert_eq!(world.status().backups, 3);
    assert_eq!(world.status().next, None);
    assert_eq!(world.now().await.unwrap_err(), Refusal::ReadOnly);
    assert_eq!(world.erase().await.unwrap_err(), Refusal::ReadOnly);
    assert_eq!(world.order("a", "final").await.unwrap_err(), Refusal::ReadOnly);
}
