use std::time::Duration;

use api::sidecar::RequestState;

use super::world::{Act, World};
use crate::serve::engine::Refusal;

#[tokio::test(start_paused = true)]
async fn a_signal_lets_a_backup_come_to_its_end_first() {
    let mut world = World::new().acts([Act::Store(Duration::from_mins(4))]);
    world.start();
    world.pass(Duration::from_secs(1)).await;
    world.stop();
    world.pass(Duration::from_secs(200)).await;
    assert!(!world.has_ended());
    world.pass(Duration::from_secs(40)).await;
    assert!(world.has_ended());
    assert_eq!((world.stored().await, world.status().backups), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_signal_does_not_wait_longer_than_a_minute_for_a_backup_of_which_nothing_moves() {
    let mut world = World::new().acts([Act::Hang]);
    world.start();
    world.pass(Duration::from_secs(1)).await;
    world.stop();
    world.pass(Duration::from_secs(59)).await;
    assert!(!world.has_ended());
    world.pass(Duration::from_secs(2)).await;
    assert!(world.has_ended());
}

#[tokio::test(start_paused = true)]
async fn a_signal_at_rest_ends_it_at_once() {
    let mut world = World::new();
    world.start();
    world.minutes(5).await;
    world.stop();
    world.pass(Duration::from_millis(1)).await;
    assert!(world.has_ended());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_after_a_signal_and_orders_stay_open_for_the_next_process() {
    let mut world = World::new().acts([Act::Store(Duration::from_mins(1))]);
    world.start();
    world.pass(Duration::from_secs(1)).await;
    world.order("order-1", "on-demand").await.unwrap();
    world.stop();
    assert_eq!(world.order("order-2", "on-demand").await.unwrap_err(), Refusal::Stopping);
    let (now, ()) = tokio::join!(world.now(), world.minutes(5));
    assert_eq!(now.unwrap_err(), Refusal::Stopping);
    assert!(world.has_ended());
    assert_eq!(world.attempts(), 1);
    assert_eq!(world.shown.board.order("order-1").unwrap().state, RequestState::Pending);
}
