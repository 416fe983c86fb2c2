use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{at, cron};
use crate::{Due, Last, Schedule};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn every(minutes: i64) -> Schedule {
    Schedule::Interval(SignedDuration::from_mins(minutes))
}

fn daily() -> Schedule {
    Schedule::Cron(cron("0 3 * * *", "UTC"))
}

fn last(time: &str) -> Last {
    Last { started: at(time), finished: at(time) + MINUTE }
}

#[test]
fn the_first_backup_is_due_at_once() {
    for schedule in [every(30), daily()] {
        assert_eq!(schedule.due(None, at("2026-11-24T10:00:00Z")), Due::Now);
    }
}

#[test]
fn an_interval_counts_from_the_end_of_the_last_success_and_a_cron_from_its_start() {
    let now = at("2026-11-24T10:05:00Z");
    let found = every(30).due(Some(last("2026-11-24T10:00:00Z")), now);
    assert_eq!(found, Due::At(at("2026-11-24T10:31:00Z")));
    let minutely = Schedule::Cron(cron("1 10 * * *", "UTC"));
    assert_eq!(minutely.due(Some(last("2026-11-24T10:00:30Z")), now), Due::Now);
    assert_eq!(
        daily().due(Some(last("2026-11-24T03:00:00Z")), now),
        Due::At(at("2026-11-25T03:00:00Z"))
    );
}

#[test]
fn one_run_makes_up_for_all_that_were_missed() {
    let now = at("2026-11-24T10:05:00Z");
    assert_eq!(daily().due(Some(last("2026-11-01T03:00:00Z")), now), Due::Now);
    let caught_up = Some(Last { started: now, finished: now });
    assert_eq!(daily().due(caught_up, now), Due::At(at("2026-11-25T03:00:00Z")));
}

#[test]
fn a_clock_that_was_put_back_an_hour_repeats_no_daily_run_and_stops_no_frequent_one() {
    let ran = last("2026-11-24T03:00:00Z");
    let now = at("2026-11-24T02:01:00Z");
    assert_eq!(daily().due(Some(ran), now), Due::At(at("2026-11-25T03:00:00Z")));
    let often = Schedule::Cron(cron("*/5 * * * *", "UTC"));
    assert_eq!(often.due(Some(ran), now), Due::At(at("2026-11-24T02:05:00Z")));
    assert_eq!(every(30).due(Some(ran), now), Due::At(at("2026-11-24T02:31:00Z")));
}

#[test]
fn a_last_success_in_a_wrong_year_stops_nothing() {
    let ran = last("2036-11-24T03:00:00Z");
    let now = at("2026-11-24T02:01:00Z");
    assert_eq!(daily().due(Some(ran), now), Due::At(at("2026-11-25T03:00:00Z")));
}

fn schedules() -> impl Strategy<Value = (Schedule, i64)> {
    let cron = |text, minutes| (Schedule::Cron(cron(text, "Europe/Berlin")), minutes);
    prop_oneof![
        (1_i64..600).prop_map(|minutes| (every(minutes), minutes)),
        Just(cron("*/7 * * * *", 7)),
        Just(cron("0 * * * *", 60)),
        Just(cron("15 */6 * * *", 6 * 60)),
        Just(cron("30 2 * * *", 24 * 60)),
    ]
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_a_distance_and_a_half(
        (schedule, minutes) in schedules(),
        last in 1_700_000_000_i64..1_900_000_000,
        now in 1_700_000_000_i64..1_900_000_000,
    ) {
        let [last, now] = [last, now].map(|second| Timestamp::from_second(second).unwrap());
        if let Due::At(time) = schedule.due(Some(Last { started: last, finished: last }), now) {
            prop_assert!(time > now);
            // An hour more: the clock change makes one distance longer.
            let most = SignedDuration::from_mins(minutes + minutes / 2 + 61);
            prop_assert!(time.duration_since(now) <= most, "{time}");
        }
    }

    #[test]
    fn restarts_neither_skip_a_run_nor_take_one_twice(
        restarts in prop::collection::vec(1_i64..2000, 1..20),
        (schedule, _) in schedules(),
    ) {
        let start = at("2026-10-20T00:00:00Z");
        let undisturbed = simulate(&schedule, start, &[]);
        prop_assert_eq!(simulate(&schedule, start, &restarts), undisturbed);
    }
}

/// Ten days, minute by minute. A restart forgets everything but the last success.
fn simulate(schedule: &Schedule, start: Timestamp, restarts: &[i64]) -> Vec<Timestamp> {
    let mut runs = vec![start];
    let mut planned = None;
    let minutes = (1..10 * 24 * 60).map(|minute| start + MINUTE * minute);
    for (minute, now) in (1_i64..).zip(minutes) {
        let ran = *runs.last().unwrap();
        if restarts.contains(&minute) {
            planned = None;
        }
        let ahead = *planned
            .get_or_insert_with(|| schedule.due(Some(Last { started: ran, finished: ran }), now));
        if ahead == Due::Now || matches!(ahead, Due::At(time) if time <= now) {
            runs.push(now);
            planned = None;
        }
    }
    runs
}
