//! When backups are due: every so many seconds, or by the five fields of a Kubernetes `CronJob`.
//!
//! Pure: the time is passed in. The sidecar goes by it; the operator only sees whether a policy can be
//! read, so that the sentence is told before a sidecar is given it. What is due follows from the last success alone, so a restart neither
//! skips a backup nor takes one twice, and however many runs were missed, one makes up for them.

mod calendar;
mod fields;
#[cfg(test)]
mod tests;

use api::v1beta1::BackupPolicy;
use jiff::{SignedDuration, Timestamp};

pub use calendar::Cron;

/// Seconds between backups where the policy names none.
const DEFAULT_INTERVAL: i64 = 1800;

/// When backups are taken.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// This long after the last success.
    Interval(SignedDuration),
    /// At times of day.
    Cron(Cron),
}

/// Why a schedule cannot be used: one sentence that says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// The last backup that succeeded, or that found nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// When it was begun: what a cron schedule counts from.
    pub started: Timestamp,
    /// When it was complete: what an interval counts from.
    pub finished: Timestamp,
}

/// When the next backup is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// Not before this time.
    At(Timestamp),
}

impl Schedule {
    /// Reads what a policy says.
    pub fn from_policy(policy: &BackupPolicy) -> Result<Self, ScheduleError> {
        let problem = |text: &str| Err(ScheduleError(text.to_owned()));
        // Zero is how the seed writes "none".
        let interval = policy.backup_interval_in_second.filter(|seconds| *seconds != 0);
        match (&policy.schedule, interval, &policy.time_zone) {
            (Some(_), Some(_), _) => {
                problem("schedule and backupIntervalInSecond cannot both be given; leave one out")
            }
            (Some(text), None, zone) => {
                Cron::new(text, zone.as_deref().unwrap_or("UTC")).map(Self::Cron)
            }
            (None, _, Some(_)) => {
                problem("timeZone goes with schedule; add schedule, or leave timeZone out")
            }
            (None, Some(seconds), None) if seconds < 0 => {
                problem("backupIntervalInSecond must not be negative; write seconds, such as 1800")
            }
            (None, seconds, None) => {
                let seconds = seconds.unwrap_or(DEFAULT_INTERVAL);
                Ok(Self::Interval(SignedDuration::from_secs(seconds)))
            }
        }
    }

    /// When the next backup is due. Without an earlier one: at once, whatever the schedule, because an
    /// unprotected cluster is the worst of all.
    ///
    /// A last success in the future means that the clock was put back since; it counts as now. Nothing
    /// waits for longer than the schedule's own distance from one run to the next and a half.
    pub fn due(&self, last: Option<Last>, now: Timestamp) -> Due {
        let Some(last) = last else { return Due::Now };
        let next = match self {
            Self::Interval(interval) => {
                last.finished.min(now).checked_add(*interval).unwrap_or(Timestamp::MAX)
            }
            Self::Cron(cron) => cron.due(last.started, now).unwrap_or(Timestamp::MAX),
        };
        if next <= now { Due::Now } else { Due::At(next) }
    }
}
