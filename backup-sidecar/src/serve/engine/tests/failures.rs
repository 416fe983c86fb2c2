use std::sync::atomic::Ordering;
use std::time::Duration;

use api::sidecar::RequestState;

use super::world::{Act, World};
use crate::serve::engine::Refusal;
use crate::serve::taker::Problem;

fn full() -> Act {
    Act::Fail(Problem::new("Full", "the store is full; make room"))
}

fn store() -> Act {
    Act::Store(Duration::ZERO)
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_is_tried_again_and_again_and_never_more_than_five_minutes_later() {
    let mut world = World::new().acts([full()]);
    world.start();
    world.minutes(1).await;
    let status = world.status();
    let failing = status.failing.unwrap();
    assert_eq!(
        (failing.reason.as_str(), failing.since.to_string().as_str()),
        ("Full", super::world::START)
    );
    assert_eq!(failing.message, "the store is full; make room");
    assert!((6..=8).contains(&failing.attempts), "{}", failing.attempts);
    let before = world.attempts();
    world.minutes(60).await;
    assert!((12 + before..=30 + before).contains(&world.attempts()), "{}", world.attempts());
}

#[tokio::test(start_paused = true)]
async fn the_attempt_after_the_store_is_back_succeeds_and_ends_the_row_of_failures() {
    let mut world = World::new().acts([full(), full(), full(), store()]);
    world.start();
    world.minutes(1).await;
    let status = world.status();
    assert_eq!((status.failing, status.backups, world.attempts()), (None, 1, 4));
    assert!(status.next.unwrap() > world.clock.now() + jiff::SignedDuration::from_mins(28));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_opened_is_told_and_opened_later() {
    let mut world = World::new();
    world.closed.store(4, Ordering::SeqCst);
    world.start();
    let answer = world.now().await;
    let Err(Refusal::Failed(problem)) = answer else { panic!("{answer:?}") };
    assert_eq!(problem.reason, "Unavailable");
    assert!(world.shown.ready.is_cancelled(), "a dead store must not make it unready for ever");
    assert_eq!(world.status().failing.unwrap().reason, "Unavailable");
    world.minutes(1).await;
    assert_eq!((world.attempts(), world.status().failing), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_backup_of_which_nothing_moves_is_given_up_after_five_minutes() {
    let mut world = World::new().acts([Act::Hang, store()]);
    world.start();
    world.minutes(4).await;
    assert_eq!(world.status().running.as_deref(), Some("scheduled"));
    world.pass(Duration::from_secs(62)).await;
    assert_eq!((world.attempts(), world.status().backups), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_backup_of_which_something_moves_is_left_alone() {
    let mut world = World::new().acts([Act::Store(Duration::from_hours(2))]);
    world.start();
    world.minutes(121).await;
    assert_eq!((world.times(), world.status().backups), (vec!["10:00:00".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_tried_again_and_given_up_after_ten_minutes_with_the_reason() {
    let mut world = World::new().acts([store(), full()]);
    world.start();
    world.minutes(1).await;
    let id = "order-1";
    assert_eq!(world.order(id, "on-demand").await.unwrap().state, RequestState::Pending);
    world.minutes(5).await;
    let request = world.shown.board.order(id).unwrap();
    assert_eq!(request.state, RequestState::Pending);
    assert_eq!(request.message.as_deref(), Some("the store is full; make room"));
    world.minutes(6).await;
    let request = world.shown.board.order(id).unwrap();
    assert_eq!(request.state, RequestState::Failed);
    assert_eq!(request.message.as_deref(), Some("the store is full; make room"));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_can_never_succeed_is_given_up_at_once() {
    let hopeless = Act::Fail(Problem::for_good("NoMember", "there is no such member"));
    let mut world = World::new().acts([store(), hopeless]);
    world.start();
    world.minutes(1).await;
    world.order("order-1", "before-recovery").await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.shown.board.order("order-1").unwrap().state, RequestState::Failed);
    assert_eq!(world.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_can_no_longer_be_listed_is_told_though_no_backup_is_due() {
    let mut world = World::new().cron("0 10 * * *");
    world.start();
    world.minutes(5).await;
    assert_eq!((world.status().backups, world.status().failing), (1, None));
    world.mood.no_lists.store(true, Ordering::SeqCst);
    world.minutes(65).await;
    let status = world.status();
    let failing = status.failing.unwrap();
    assert_eq!(failing.reason, "Unavailable");
    assert_eq!(failing.since.strftime("%H:%M").to_string(), "11:00");
    assert!((6..=20).contains(&failing.attempts), "{failing:?}");
    assert_eq!(status.backups, 1, "what was listed before is still shown");
    world.mood.no_lists.store(false, Ordering::SeqCst);
    world.minutes(6).await;
    assert_eq!(world.status().failing, None);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_stored_does_not_hide_that_old_ones_cannot_be_deleted() {
    let mut world = World::new();
    world.max_backups = 1;
    world.start();
    world.minutes(1).await;
    world.mood.no_deletions.store(true, Ordering::SeqCst);
    world.minutes(65).await;
    let status = world.status();
    assert_eq!(status.backups, 3);
    let message = status.failing.unwrap().message;
    assert!(message.starts_with("old backups cannot be deleted: the store fails"), "{message}");
    world.mood.no_deletions.store(false, Ordering::SeqCst);
    world.minutes(30).await;
    assert_eq!((world.status().backups, world.status().failing), (1, None));
}
