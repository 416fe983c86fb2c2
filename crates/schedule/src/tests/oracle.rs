//! Compared with croner, which knows the rules of a `CronJob` and zones by itself.
//!
//! Differences that are allowed, and why:
//! - Next to a change of the clock, schedules that are neither one clock time a day nor run in every
//!   hour. croner calls `0,30 2 * * *` an interval: it leaves it out where the clock skips the hour and
//!   runs it twice where the hour comes twice. A backup must not be left out, and need not be doubled.
//! - croner takes neither `5/15` (Kubernetes does) nor a gap of more than two hours; none is generated.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::cron;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kathmandu",
    "America/Santiago",
];

fn item(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (low..=high).prop_map(|n| n.to_string()),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (low..=high, low..=high, 1..5_u32)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ]
}

fn field(low: u32, high: u32, stars: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        stars => Just("*".to_owned()),
        1 => (2..=high.min(20)).prop_map(|step| format!("*/{step}")),
        4 => prop::collection::vec(item(low, high), 1..3).prop_map(|items| items.join(",")),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let fields =
        (field(0, 59, 1), field(0, 23, 3), field(1, 31, 6), field(1, 12, 8), field(0, 6, 6));
    fields.prop_map(|(minute, hour, day, month, weekday)| {
        format!("{minute} {hour} {day} {month} {weekday}")
    })
}

/// Half of them within two days of a change of the clock in that zone.
fn instant() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let zone = prop::sample::select(&ZONES[..]);
    (zone, 1_700_000_000_i64..2_000_000_000, any::<bool>(), -172_800_i64..172_800).prop_map(
        |(name, second, near, distance)| {
            let time = Timestamp::from_second(second).unwrap();
            let zone = TimeZone::get(name).unwrap();
            let change = zone.following(time).next();
            let near = change.filter(|_| near).map(|change| change.timestamp());
            (name, near.map_or(time, |change| change + SignedDuration::from_secs(distance)))
        },
    )
}

/// Whether the clock changed between these two, or within three hours of them.
fn changes_between(zone: &TimeZone, from: Timestamp, to: Timestamp) -> bool {
    let slack = SignedDuration::from_hours(3);
    zone.following(from - slack).next().is_some_and(|change| change.timestamp() <= to + slack)
}

/// What croner gives as next; nothing for a schedule that never runs.
fn expected(text: &str, zone: &TimeZone, time: Timestamp) -> Option<Timestamp> {
    let oracle = croner::Cron::from_str(text).unwrap();
    oracle
        .find_next_occurrence(&time.to_zoned(zone.clone()), false)
        .ok()
        .map(|next| next.timestamp())
}

fn check(text: &str, name: &str, time: Timestamp) -> Result<(), TestCaseError> {
    let zone = TimeZone::get(name).unwrap();
    let Ok(ours) = super::Cron::new(text, name) else {
        prop_assert_eq!(expected(text, &zone, time), None);
        return Ok(());
    };
    let theirs = expected(text, &zone, time);
    let found = ours.next_after(time);
    let mut fields = text.split(' ');
    let [minute, hour] = [fields.next().unwrap(), fields.next().unwrap()];
    let is_single = |field: &str| field.parse::<u32>().is_ok();
    let both_know = hour == "*" || is_single(minute) && is_single(hour);
    let latest = found.max(theirs).unwrap_or(time);
    if both_know || !changes_between(&zone, time, latest) {
        prop_assert_eq!(found, theirs, "{} in {} after {}", text, name, time);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn the_next_run_is_the_one_that_croner_finds(text in expression(), (zone, time) in instant()) {
        check(&text, zone, time)?;
    }

    #[test]
    fn a_time_of_day_is_the_one_that_croner_finds_around_clock_changes(
        (minute, hour) in (0..60_u32, 0..5_u32),
        (zone, time) in instant(),
        days in prop_oneof![Just("* * *"), Just("* * 0"), Just("1 * *"), Just("13 * 5")],
    ) {
        check(&format!("{minute} {hour} {days}"), zone, time)?;
    }
}

proptest! {
    #[test]
    fn no_run_is_left_out_and_none_is_at_another_time(
        text in expression(),
        second in 1_700_000_000_i64..1_800_000_000,
    ) {
        let time = Timestamp::from_second(second).unwrap();
        if let Ok(ours) = super::Cron::new(&text, "UTC") {
            let next = ours.next_after(time).unwrap();
            prop_assert!(next > time && next.as_second() % 60 == 0);
            // From any moment before it on, it is the same.
            let between = time + (next.duration_since(time) / 2);
            prop_assert_eq!(ours.next_after(between), Some(next));
        }
    }
}

#[test]
fn where_the_clock_skips_an_hour_croner_leaves_out_two_runs_of_it_and_we_make_one_up() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let time: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
    let theirs = expected("0,30 2 * * *", &zone, time).unwrap();
    let ours = cron("0,30 2 * * *", "Europe/Berlin").next_after(time).unwrap();
    assert_eq!(theirs.to_string(), "2026-03-30T00:00:00Z");
    assert_eq!(ours.to_string(), "2026-03-29T01:00:00Z");
}
