//! When the next scheduled backup is to be begun, with a wall clock that may jump.
//!
//! The wall clock decides, and the computer's uptime tells when it was put back: an interval then still
//! ends when it would have ended, and for a time of day the schedule is asked anew. A clock that was put
//! forward makes a backup come earlier, which does no harm.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schedule::{Due, Last, Schedule};
use tokio::time::Instant;

/// Two clocks drift; a jump is more than this.
const DRIFT: SignedDuration = SignedDuration::from_secs(60);

/// When to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    /// By the wall clock.
    time: Timestamp,
    /// By the uptime, if the wall clock does not jump.
    deadline: Instant,
    is_interval: bool,
}

impl Alarm {
    /// Sets it for the next backup after `last`.
    pub(super) fn set(schedule: &Schedule, last: Option<Last>, now: Timestamp) -> Self {
        let time = match schedule.due(last, now) {
            Due::Now => now,
            Due::At(time) => time,
        };
        let wait = Duration::try_from(time.duration_since(now)).unwrap_or_default();
        Self {
            time,
            deadline: Instant::now() + wait.min(Duration::from_hours(24 * 366)),
            is_interval: matches!(schedule, Schedule::Interval(_)),
        }
    }

    /// When it rings, by the wall clock.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// Whether it is time.
    pub(super) fn rings(&self, now: Timestamp) -> bool {
        now >= self.time
    }

    /// How long until it rings.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.time.duration_since(now)).unwrap_or_default()
    }

    /// The alarm as it is, or set anew if the wall clock was put back since.
    pub(super) fn after_jumps(
        self,
        schedule: &Schedule,
        last: Option<Last>,
        now: Timestamp,
    ) -> Self {
        let uptime = self.deadline.saturating_duration_since(Instant::now());
        let left = SignedDuration::try_from(uptime).unwrap_or(SignedDuration::MAX);
        if self.time.duration_since(now) <= left.saturating_add(DRIFT) {
            return self;
        }
        if self.is_interval {
            return Self { time: now.checked_add(left).unwrap_or(self.time), ..self };
        }
        Self::set(schedule, last, now)
    }
}
