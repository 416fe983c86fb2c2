//! When the next scheduled backup is to be begun, with a wall clock that may jump.
//!
//! An interval is measured by the computer's uptime too: whichever of the two clocks says first that it
//! is over. A time of day can be told by the wall clock alone; when that was put back, the time is asked
//! for anew.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::schedule::{Due, Last, Schedule};

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
        now >= self.time || self.is_interval && Instant::now() >= self.deadline
    }

    /// How long until it rings by the clock that is ahead.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let by_wall = Duration::try_from(self.time.duration_since(now)).unwrap_or_default();
        let by_uptime = self.deadline.saturating_duration_since(Instant::now());
        if self.is_interval { by_wall.min(by_uptime) } else { by_wall }
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
