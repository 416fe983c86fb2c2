use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::{Act, World};

#[tokio::test(start_paused = true)]
async fn the_first_backup_is_taken_at_once_and_the_next_after_the_interval() {
    let mut world = World::new();
    world.start();
    world.minutes(61).await;
    assert_eq!(world.times(), ["10:00:00", "10:30:01", "11:00:02"]);
    let status = world.status();
    assert_eq!(status.last_success.unwrap().to_string(), "2026-11-24T11:00:03Z");
    assert_eq!(status.next.unwrap().to_string(), "2026-11-24T11:30:03Z");
    assert_eq!((status.backups, status.failing, status.running), (3, None, None));
}

#[tokio::test(start_paused = true)]
async fn a_restart_neither_skips_a_backup_nor_takes_one_twice() {
    let mut world = World::new();
    world.start();
    for minutes in [10, 10, 9, 2, 15] {
        world.minutes(minutes).await;
        world.start();
    }
    world.minutes(20).await;
    assert_eq!(world.times(), ["10:00:00", "10:30:01", "11:00:02"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_missed_while_nobody_was_there_is_made_up_for_once() {
    let mut world = World::new().cron("*/10 * * * *");
    world.start();
    world.minutes(1).await;
    world.stop();
    world.minutes(60).await;
    assert!(world.has_ended());
    world.start();
    world.minutes(10).await;
    assert_eq!(world.times(), ["10:00:00", "11:01:00", "11:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_kept_by_the_clock_on_the_wall() {
    let mut world = World::new().cron("15,45 * * * *");
    world.start();
    world.minutes(50).await;
    assert_eq!(world.times(), ["10:00:00", "10:15:00", "10:45:00"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_new_counts_as_a_success_and_writes_nothing() {
    let mut world = World::new().acts([Act::Store(Duration::ZERO), Act::Unchanged]);
    world.start();
    world.minutes(31).await;
    let status = world.status();
    assert_eq!((status.backups, world.stored().await, world.attempts()), (1, 1, 2));
    assert_eq!(status.last_success.unwrap().to_string(), "2026-11-24T10:30:00Z");
    assert_eq!(status.next.unwrap().to_string(), "2026-11-24T11:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_an_hour_neither_stops_an_interval_nor_doubles_a_backup() {
    let mut world = World::new();
    world.start();
    world.minutes(20).await;
    world.jump.store(-3600, Ordering::SeqCst);
    world.minutes(45).await;
    // By the uptime: 10:00:00, 10:30:01, 11:00:02.
    assert_eq!(world.times(), ["10:00:00", "09:30:01", "10:00:02"]);
    assert_eq!(world.status().next.unwrap().to_string(), "2026-11-24T10:30:03Z");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_before_a_restart_delays_by_an_interval_at_most() {
    let mut world = World::new();
    world.start();
    world.minutes(20).await;
    world.jump.store(-3600, Ordering::SeqCst);
    world.start();
    world.minutes(31).await;
    assert_eq!(world.times(), ["10:00:00", "09:50:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_does_not_repeat_a_daily_backup() {
    let mut world = World::new().cron("0 10 * * *");
    world.start();
    world.minutes(10).await;
    world.jump.store(-3600, Ordering::SeqCst);
    world.minutes(26 * 60).await;
    // The day after by the clock that is right now.
    assert_eq!(world.times(), ["10:00:00", "10:00:00"]);
    assert_eq!(world.status().next.unwrap().to_string(), "2026-11-26T10:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_years_ahead_stops_nothing_once_it_is_right() {
    let mut world = World::new().cron("*/5 * * * *");
    world.jump.store(5 * 365 * 86_400, Ordering::SeqCst);
    world.start();
    world.minutes(1).await;
    world.jump.store(0, Ordering::SeqCst);
    world.minutes(10).await;
    assert_eq!(world.times(), ["10:00:00", "10:05:00", "10:10:00"]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_ahead_brings_the_backup_forward() {
    let mut world = World::new();
    world.start();
    world.minutes(5).await;
    world.jump.store(3600, Ordering::SeqCst);
    world.minutes(2).await;
    assert_eq!(world.attempts(), 2);
}
