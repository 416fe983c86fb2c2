//! Which backups stay, and why.
//!
//! A pure function of the backups, the policy and the time. A backup stays while any rule wants it:
//! the rules add up and never work against each other. Whatever the policy says, these stay: the
//! newest, the newest that was not found damaged, one that a restore names, one that the store locks.
//! Applied a second time it deletes nothing more.
//!
//! Time here is the start in the backup's name, which no copying of an archive changes. One of the future
//! was told by a clock that was ahead: such backups count as the oldest, so that they push nothing out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::{
    catalogue::{Committed, Listed},
    error::{Error, Result},
    layout::BackupId,
};

/// A backup that was asked for stays for so long: somebody restores from it, perhaps over a slow line, or
/// a container that restores is started again and again.
pub const PIN: SignedDuration = SignedDuration::from_hours(24);
/// The clocks of computers differ by this much at most.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// What is kept when the policy says nothing.
pub const DEFAULT_MAX_BACKUPS: u32 = 5;

/// How many backups are kept of which age. Absent rules want nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The newest this many; 0 means all. Absent: [`DEFAULT_MAX_BACKUPS`] if all others are absent too.
    pub max_backups: Option<u32>,
    /// The newest this many.
    pub keep_last: Option<u32>,
    /// The newest of each hour, for the last this many hours that have one.
    pub keep_hourly: Option<u32>,
    /// The newest of each day (UTC), for the last this many days that have one.
    pub keep_daily: Option<u32>,
    /// The newest of each week (from Monday, UTC), for the last this many weeks that have one.
    pub keep_weekly: Option<u32>,
    /// The newest of each month (UTC), for the last this many months that have one.
    pub keep_monthly: Option<u32>,
}

/// What has to be known of a backup of one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub id: BackupId,
    /// Whether something is known to be wrong with it, as [`Listed::flaw`] says. It takes no good one's
    /// place then.
    pub is_damaged: bool,
    /// Until when the store is known to lock it. (A lock that is not known is found by trying.)
    pub locked_until: Option<Timestamp>,
}

impl Candidate {
    /// What list and manifest say.
    pub fn of(listed: &Listed, committed: &Result<Committed>) -> Self {
        let manifest = committed.as_ref().ok().map(|committed| &committed.manifest);
        let flaw = listed.flaw(manifest.map(|manifest| manifest.stored.size));
        Self {
            id: listed.id,
            is_damaged: flaw.is_some() || matches!(committed, Err(Error::Damaged { .. })),
            locked_until: manifest.and_then(|manifest| manifest.locked_until),
        }
    }
}

/// The backups that a restore names: those that were asked for within [`PIN`]. (A time in the future is
/// of another computer's clock, or of one that was put back.)
pub fn pinned(backups: &[Listed], now: Timestamp) -> BTreeSet<BackupId> {
    let is_recent = |time: Timestamp| now.duration_since(time).abs() < PIN;
    let pinned = backups.iter().filter(|one| one.wanted.is_some_and(is_recent));
    pinned.map(|one| one.id).collect()
}

/// What becomes of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The backup.
    pub id: BackupId,
    /// Whether it stays or goes.
    pub fate: Fate,
    /// Why, in words.
    pub why: String,
}

/// Whether a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A rule wants it.
    Keep,
    /// No rule wants it.
    Delete,
    /// No rule wants it, and the store does not let it go yet.
    Later,
}

/// Judges all backups of one archive; the verdicts come newest first.
pub fn judge(
    backups: &[Candidate],
    policy: &Policy,
    pinned: &BTreeSet<BackupId>,
    now: Timestamp,
) -> Vec<Verdict> {
    let mut backups = backups.to_vec();
    backups.sort_by_key(|one| std::cmp::Reverse(rank(one.id, now)));
    let wanted = wanted(&backups, policy, pinned);
    let verdict = |one: &Candidate| {
        let (fate, why) = match wanted.get(&one.id) {
            Some(reasons) => (Fate::Keep, reasons.join(", ")),
            None => unwanted(one, now),
        };
        Verdict { id: one.id, fate, why }
    };
    backups.iter().map(verdict).collect()
}

fn unwanted(one: &Candidate, now: Timestamp) -> (Fate, String) {
    match one.locked_until.filter(|until| *until > now) {
        Some(until) => (Fate::Later, format!("locked by the store until {until}")),
        None => (Fate::Delete, "no rule keeps it".to_owned()),
    }
}

/// Why each of the backups that stay does so. `backups` are newest first.
fn wanted(
    backups: &[Candidate],
    policy: &Policy,
    pinned: &BTreeSet<BackupId>,
) -> BTreeMap<BackupId, Vec<String>> {
    let mut wanted: BTreeMap<BackupId, Vec<String>> = BTreeMap::new();
    let mut want = |id: BackupId, why: String| {
        let reasons = wanted.entry(id).or_default();
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    };
    let good: Vec<_> = backups.iter().filter(|one| !one.is_damaged).copied().collect();
    for newest in [backups, &good] {
        // The clock may have gone back, or revisions may have begun again after a restore: the
        // newest by either is the newest.
        let by_time = newest.iter().max_by_key(|one| age(one.id));
        let ends = [newest.first(), by_time, newest.iter().max_by_key(|one| one.id)];
        ends.into_iter().flatten().for_each(|one| want(one.id, "the newest".to_owned()));
        for rule in policy.rules() {
            rule.choose(newest).for_each(|(id, why)| want(id, why));
        }
    }
    let named = backups.iter().filter(|one| pinned.contains(&one.id));
    named.for_each(|one| want(one.id, "named by a restore".to_owned()));
    wanted
}

/// Orders by time, with those of the future before all others.
fn rank(id: BackupId, now: Timestamp) -> (bool, (Timestamp, u64)) {
    (id.start().duration_since(now) <= SKEW, age(id))
}

/// Orders by time, then by revision.
fn age(id: BackupId) -> (Timestamp, u64) {
    (id.start(), id.revision())
}

impl Policy {
    fn rules(&self) -> Vec<Rule> {
        let spans = [
            ("hour", self.keep_hourly, hour as fn(Timestamp) -> Period),
            ("day", self.keep_daily, day),
            ("week", self.keep_weekly, week),
            ("month", self.keep_monthly, month),
        ];
        let is_silent =
            self.keep_last.is_none() && spans.iter().all(|(_, number, _)| number.is_none());
        let default = is_silent.then_some(DEFAULT_MAX_BACKUPS);
        let most = match self.max_backups.or(default) {
            Some(0) => Some(Rule { span: "backup", number: usize::MAX, period: None }),
            Some(number) => Some(Rule::new("backup", number, None)),
            None => None,
        };
        let last = self.keep_last.map(|number| Rule::new("backup", number, None));
        let periods = spans
            .into_iter()
            .filter_map(|(span, number, of)| Some(Rule::new(span, number?, Some(of))));
        most.into_iter().chain(last).chain(periods).collect()
    }
}

/// Year, and the number of the hour, day, week or month in it.
type Period = (i16, i32);

/// Keeps the newest backup of each of the last `number` periods that have one.
struct Rule {
    span: &'static str,
    number: usize,
    /// Without one each backup is a period of its own.
    period: Option<fn(Timestamp) -> Period>,
}

impl Rule {
    fn new(span: &'static str, number: u32, period: Option<fn(Timestamp) -> Period>) -> Self {
        Self { span, number: usize::try_from(number).unwrap_or(usize::MAX), period }
    }

    fn choose<'a>(
        &'a self,
        newest_first: &'a [Candidate],
    ) -> impl Iterator<Item = (BackupId, String)> + 'a {
        let mut last = None;
        let begins_a_period = move |one: &&Candidate| {
            let Some(period) = self.period else { return true };
            let this = Some(period(one.id.start()));
            std::mem::replace(&mut last, this) != this
        };
        newest_first
            .iter()
            .filter(begins_a_period)
            .take(self.number)
            .map(|one| (one.id, self.why()))
    }

    fn why(&self) -> String {
        let Self { span, number, .. } = self;
        match (self.period, *number) {
            (None, usize::MAX) => "all are kept".to_owned(),
            (None, number) => format!("one of the last {number}"),
            (Some(_), number) => format!("the newest of its {span}, of {number} {span}s"),
        }
    }
}

fn date(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn hour(time: Timestamp) -> Period {
    let zoned = time.to_zoned(TimeZone::UTC);
    let (year, day) = day(time);
    (year, day * 24 + i32::from(zoned.hour()))
}

fn day(time: Timestamp) -> Period {
    let date = date(time);
    (date.year(), i32::from(date.day_of_year()))
}

fn week(time: Timestamp) -> Period {
    let week = date(time).iso_week_date();
    (week.year(), i32::from(week.week()))
}

fn month(time: Timestamp) -> Period {
    let date = date(time);
    (date.year(), i32::from(date.month()))
}

#[cfg(test)]
mod tests;
