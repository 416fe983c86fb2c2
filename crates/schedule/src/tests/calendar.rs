use super::{at, cron};

/// The next runs after a time.
fn runs(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let cron = cron(schedule, zone);
    let next = |time: &jiff::Timestamp| cron.next_after(*time);
    let first = cron.next_after(at(after));
    let zone = jiff::tz::TimeZone::get(zone).unwrap();
    let print =
        |time: jiff::Timestamp| time.to_zoned(zone.clone()).strftime("%d %H:%M%:z").to_string();
    std::iter::successors(first, next).take(count).map(print).collect()
}

#[test]
fn every_form_of_a_field_is_read() {
    for (schedule, next) in [
        ("0 3 * * *", "2026-11-25T03:00:00Z"),
        ("  0   3 * * *  ", "2026-11-25T03:00:00Z"),
        ("@hourly", "2026-11-24T11:00:00Z"),
        ("@daily", "2026-11-25T00:00:00Z"),
        ("@weekly", "2026-11-29T00:00:00Z"),
        ("@monthly", "2026-12-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("*/20 * * * *", "2026-11-24T10:40:00Z"),
        ("5/25 * * * *", "2026-11-24T10:30:00Z"),
        ("1-3,50-52/2 * * * *", "2026-11-24T10:50:00Z"),
        ("0 0 * feb *", "2027-02-01T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("0 0 * * sun", "2026-11-29T00:00:00Z"),
        ("0 0 * * 0", "2026-11-29T00:00:00Z"),
        ("0 0 * * 7", "2026-11-29T00:00:00Z"),
        ("0 0 * * MON-wed", "2026-11-25T00:00:00Z"),
        ("0 0 ? * FRI", "2026-11-27T00:00:00Z"),
    ] {
        let found = cron(schedule, "UTC").next_after(at("2026-11-24T10:22:33.5Z"));
        assert_eq!(found, Some(at(next)), "{schedule}");
    }
}

#[test]
fn with_both_days_restricted_either_matches_and_with_a_star_both_must() {
    // 2026-11-13 is a Friday.
    let either = runs("0 0 13 * 5", "UTC", "2026-11-01T00:00:00Z", 3);
    assert_eq!(either, ["06 00:00+00:00", "13 00:00+00:00", "20 00:00+00:00"]);
    // A step is a restriction, as in Kubernetes: uneven days or Saturdays.
    let stepped = runs("0 0 */2 * 6", "UTC", "2026-11-12T12:00:00Z", 3);
    assert_eq!(stepped, ["13 00:00+00:00", "14 00:00+00:00", "15 00:00+00:00"]);
    let star = runs("0 0 13 * *", "UTC", "2026-11-01T00:00:00Z", 1);
    assert_eq!(star, ["13 00:00+00:00"]);
}

#[test]
fn a_clock_time_that_is_left_out_runs_at_the_first_instant_after() {
    let berlin = |schedule| runs(schedule, "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
    assert_eq!(berlin("30 2 * * *"), ["29 03:00+02:00", "30 02:30+02:00"]);
    assert_eq!(berlin("0,30 2 * * *"), ["29 03:00+02:00", "30 02:00+02:00"]);
    let cairo = runs("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", 2);
    assert_eq!(cairo, ["24 01:00+03:00", "25 00:00+03:00"]);
    // The whole 30th of December 2011 does not exist there.
    let samoa = runs("0 5 * * *", "Pacific/Apia", "2011-12-29T16:00:00Z", 2);
    assert_eq!(samoa, ["31 00:00+14:00", "31 05:00+14:00"]);
}

#[test]
fn a_clock_time_that_comes_twice_runs_once() {
    let berlin = |schedule| runs(schedule, "Europe/Berlin", "2026-10-24T22:00:00Z", 3);
    assert_eq!(berlin("30 2 * * *"), ["25 02:30+02:00", "26 02:30+01:00", "27 02:30+01:00"]);
    assert_eq!(berlin("0,30 2 * * *"), ["25 02:00+02:00", "25 02:30+02:00", "26 02:00+01:00"]);
}

#[test]
fn a_schedule_of_every_hour_keeps_its_pace_over_both_changes() {
    let berlin = |after| runs("*/30 * * * *", "Europe/Berlin", after, 6);
    assert_eq!(
        berlin("2026-10-24T23:45:00Z"),
        ["25 02:00+02:00", "25 02:30+02:00", "25 02:00+01:00", "25 02:30+01:00"]
            .into_iter()
            .chain(["25 03:00+01:00", "25 03:30+01:00"])
            .collect::<Vec<_>>()
    );
    let spring = runs("15 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3);
    assert_eq!(spring, ["29 01:15+01:00", "29 03:15+02:00", "29 04:15+02:00"]);
}
