mod calendar;
mod due;
mod oracle;

use api::v1beta1::BackupPolicy;
use jiff::Timestamp;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(schedule: &str, zone: &str) -> Cron {
    Cron::new(schedule, zone).unwrap()
}

fn policy(interval: Option<i64>, schedule: Option<&str>, zone: Option<&str>) -> BackupPolicy {
    BackupPolicy {
        backup_interval_in_second: interval,
        schedule: schedule.map(str::to_owned),
        time_zone: zone.map(str::to_owned),
        ..BackupPolicy::default()
    }
}

#[test]
fn a_policy_without_times_means_half_an_hour() {
    for interval in [None, Some(0), Some(1800)] {
        let schedule = Schedule::from_policy(&policy(interval, None, None)).unwrap();
        let Schedule::Interval(interval) = schedule else { panic!("{schedule:?}") };
        assert_eq!(interval, SignedDuration::from_mins(30));
    }
}

#[test]
fn an_interval_of_zero_beside_a_schedule_is_none() {
    let schedule = Schedule::from_policy(&policy(Some(0), Some("@daily"), None)).unwrap();
    assert!(matches!(schedule, Schedule::Cron(_)), "{schedule:?}");
}

#[test]
fn what_a_policy_cannot_mean_is_one_sentence_that_says_what_to_write() {
    for (interval, schedule, zone, words) in [
        (Some(60), Some("0 3 * * *"), None, "leave one out"),
        (Some(-1), None, None, "must not be negative"),
        (None, None, Some("UTC"), "add schedule"),
        (None, Some("0 3 * *"), None, "five fields"),
        (None, Some("0 0 3 * * *"), None, "five fields"),
        (None, Some("60 3 * * *"), None, "is no minute; write 0 to 59"),
        (None, Some("0 3 0 * *"), None, "is no day of month"),
        (None, Some("0 3 * 13 *"), None, "1 to 12 or JAN to DEC"),
        (None, Some("0 3 * * MOX"), None, "0 to 7 or SUN to SAT"),
        (None, Some("0 22-3 * * *"), None, "\"22-3\" is no hour"),
        (None, Some("*/0 3 * * *"), None, "is no minute"),
        (None, Some("+5 3 * * *"), None, "is no minute"),
        (None, Some("5,,6 3 * * *"), None, "is no minute"),
        (None, Some("0 3 L * *"), None, "is no day of month"),
        (None, Some("0 0 30 2 *"), None, "there is no such day"),
        (None, Some("@every 5m"), None, "backupIntervalInSecond"),
        (None, Some("TZ=UTC 0 3 * * *"), None, "timeZone"),
        (None, Some("0 3 * * *"), Some("Mars/Olympus"), "not the name of a time zone"),
        (None, Some(""), None, "five fields"),
    ] {
        let error = Schedule::from_policy(&policy(interval, schedule, zone)).unwrap_err();
        assert!(error.to_string().contains(words), "{schedule:?}: {error}");
        assert!(!error.to_string().contains('\n') && !error.to_string().ends_with('.'), "{error}");
    }
}
