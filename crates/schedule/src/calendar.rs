//! A cron schedule in a time zone.
//!
//! The crate `cron` works on clock times without a zone here (it is told UTC); what the zone makes of
//! them is ours. Between two changes of the zone's offset clock and time run side by side, so the search
//! goes from one such span to the next.
//!
//! - Clock times that a change leaves out run at the first instant after it.
//! - Clock times that come twice run the first time only.
//! - A schedule with runs in all 24 hours just keeps its pace: it makes nothing up, and runs in both of
//!   the hours.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::ScheduleError;
use super::fields::{Fields, problem};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A cron schedule in a time zone.
#[derive(Clone, Debug)]
pub struct Cron {
    /// The earliest run of any of them counts.
    schedules: Vec<cron::Schedule>,
    is_hourly: bool,
    zone: TimeZone,
}

/// A span in which the zone's offset from UTC stays the same.
struct Span {
    /// Its first second, unless it has always been like this.
    start: Option<Timestamp>,
    /// The offset before [`Self::start`].
    before: Offset,
    offset: Offset,
    /// The second after its last.
    end: Option<Timestamp>,
}

impl Cron {
    /// Reads a schedule and the name of its zone. One that never runs is refused.
    pub fn new(text: &str, zone: &str) -> Result<Self, ScheduleError> {
        let fields = Fields::parse(text)?;
        let zone = TimeZone::get(zone).map_err(|_| {
            let sentence = "is not the name of a time zone; write one such as Europe/Berlin or UTC";
            ScheduleError(format!("timeZone {zone:?} {sentence}"))
        })?;
        let expressions = fields.expressions();
        let schedules = expressions.iter().map(|text| cron::Schedule::from_str(text));
        let schedules = schedules.collect::<Result<Vec<_>, _>>();
        let schedules = schedules.map_err(|error| problem(text, &error.to_string()))?;
        let cron = Self { schedules, is_hourly: fields.is_hourly(), zone };
        match cron.next_clock(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(problem(text, "there is no such day; correct day of month and month")),
        }
    }

    /// The first run after this time.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let mut from = Timestamp::from_second(time.as_second()).ok()?.checked_add(SECOND).ok()?;
        loop {
            let span = Span::around(&self.zone, from);
            let next = self.next_within(&span, from)?;
            match span.end {
                Some(end) if next >= end => from = end,
                _ => return Some(next),
            }
        }
    }

    /// When to run, after a run that was begun at `last`; in the past when that was missed.
    ///
    /// A last run in the future was made before the clock was put back. The first run from now on may
    /// be the same one again, so those that are nearer than half a distance are left out.
    pub(super) fn due(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let next = self.next_after(last)?;
        if last <= now {
            return Some(next);
        }
        self.next_after(now.checked_add(next.duration_since(last) / 2).ok()?)
    }

    /// The first run at or after `from`, in a span that holds `from`; an instant behind the span's end
    /// if there is none in it.
    fn next_within(&self, span: &Span, from: Timestamp) -> Option<Timestamp> {
        let mut clock = shift(from, span.offset)?;
        if let (Some(start), false) = (span.start, self.is_hourly) {
            let [before, after] = [shift(start, span.before)?, shift(start, span.offset)?];
            if before < after && from == start && self.first_clock(before)? < after {
                return Some(start);
            }
            clock = clock.max(before);
        }
        self.first_clock(clock)?.checked_sub(distance(span.offset)).ok()
    }

    /// The first clock time of a run, not before `clock`.
    fn first_clock(&self, clock: Timestamp) -> Option<Timestamp> {
        self.next_clock(clock.checked_sub(SECOND).ok()?)
    }

    /// The first clock time of a run after `clock`, both written as if the zone were UTC.
    fn next_clock(&self, clock: Timestamp) -> Option<Timestamp> {
        let clock = DateTime::<Utc>::from_timestamp(clock.as_second(), 0)?;
        let runs = self.schedules.iter().filter_map(|schedule| schedule.after(&clock).next());
        Timestamp::from_second(runs.min()?.timestamp()).ok()
    }
}

impl Span {
    /// The span that holds this time.
    fn around(zone: &TimeZone, time: Timestamp) -> Self {
        let offset = zone.to_offset(time);
        let changes = |change: &Timestamp| offset_before(zone, *change) != zone.to_offset(*change);
        let nanosecond = SignedDuration::from_nanos(1);
        let later = time.checked_add(nanosecond).unwrap_or(time);
        let start = zone.preceding(later).map(|change| change.timestamp()).find(changes);
        let end = zone.following(time).map(|change| change.timestamp()).find(changes);
        let before = start.map_or(offset, |start| offset_before(zone, start));
        Self { start, before, offset, end }
    }
}

fn offset_before(zone: &TimeZone, time: Timestamp) -> Offset {
    zone.to_offset(time.checked_sub(SECOND).unwrap_or(time))
}

fn distance(offset: Offset) -> SignedDuration {
    SignedDuration::from_secs(i64::from(offset.seconds()))
}

/// The clock time of an instant, written as if the zone were UTC.
fn shift(time: Timestamp, offset: Offset) -> Option<Timestamp> {
    time.checked_add(distance(offset)).ok()
}
