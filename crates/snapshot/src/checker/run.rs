//! A leaf of the bucket `key` in a few bytes: how many records, births and deaths, from which revision to
//! which, and how many of its records a compaction would have counted differently.
//!
//! A compaction at F leaves one record of each key that was alive at F, and none of others. So a key is
//! alive now if a record up to F says so or it was born after F, unless it died after F:
//!
//! ```text
//! live = records up to F that are no deaths + births after F - deaths after F
//!      = births - deaths + records up to F that are no births
//! ```
//!
//! F is known only at the end. A leaf that lies whole on one side of it needs nothing more; of the one
//! that F divides, the records up to F must be told apart. No revision after F is missing, so behind a
//! gap the numbers run on by one: one bit a record says whether it is a birth, a second one, only where
//! revisions have several records, whether it begins the next revision.

use super::scan::Change;
use crate::{
    revision::Revision,
    varint::{Cursor, put},
};

/// More bits are not spent on each 4 KiB of a leaf: a record has 40 bytes and more, so one bit for each
/// always fits. Beyond, its number of live keys is unknown where F divides it.
const BITS: u32 = 12 * 8;
/// Nor on a leaf, however large.
const MOST_BITS: u32 = 48 * 8;

/// What is known of the records of a leaf, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) records: u32,
    pub(super) births: u32,
    pub(super) deaths: u32,
    pub(super) first: Revision,
    pub(super) last: Revision,
    /// Records before the last gap that are no births.
    settled: u32,
    /// The bits that it may take.
    limit: u32,
    /// The first revision behind the last gap.
    from: u64,
    tail: Tail,
}

/// The records behind the last gap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tail {
    records: u32,
    changes: u32,
    is_birth: Bits,
    is_next: Bits,
}

/// As many bits as are worth their room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bits([u8; 48]);

impl Bits {
    fn set(&mut self, index: u32, is_set: bool) {
        if let Some(byte) = usize::try_from(index / 8).ok().and_then(|byte| self.0.get_mut(byte)) {
            *byte |= u8::from(is_set) << (index % 8);
        }
    }

    fn get(self, index: u32) -> bool {
        let byte = usize::try_from(index / 8).ok().and_then(|byte| self.0.get(byte));
        byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

impl Default for Bits {
    fn default() -> Self {
        Self([0; 48])
    }
}

impl Run {
    /// Of a leaf of that many bytes; 0 where they were not counted.
    pub(super) fn new(size: usize) -> Self {
        let kibs = u32::try_from(size.div_ceil(4096).max(1)).unwrap_or(u32::MAX);
        Self { limit: BITS.saturating_mul(kibs).min(MOST_BITS), ..Self::default() }
    }

    /// Takes the next record. Whether it comes in order is for others to say.
    pub(super) fn add(&mut self, revision: Revision, change: Change) {
        let main = revision.main;
        if self.records == 0 {
            self.first = revision;
            self.from = main;
        }
        let is_next = self.records > 0 && main != self.last.main;
        if is_next && main != self.last.main + 1 {
            self.settled += self.tail.changes;
            self.tail = Tail::default();
            self.from = main;
        }
        self.last = revision;
        self.records += 1;
        self.births += u32::from(change == Change::Birth);
        self.deaths += u32::from(change == Change::Death);
        let tail = &mut self.tail;
        tail.is_birth.set(tail.records, change == Change::Birth);
        tail.is_next.set(tail.records, is_next);
        tail.changes += u32::from(change != Change::Birth);
        tail.records += 1;
    }

    /// Live keys, as far as this leaf tells, after a compaction at `finished`.
    pub(super) fn live(&self, finished: u64) -> Option<i64> {
        let mut live = i64::from(self.births) - i64::from(self.deaths);
        if self.last.main <= finished {
            live += i64::from(self.records - self.births);
        } else if self.first.main <= finished {
            live += i64::from(self.changes_until(finished)?);
        }
        Some(live)
    }

    /// Records up to a revision within this leaf that are no births.
    fn changes_until(&self, finished: u64) -> Option<u32> {
        if finished.checked_add(1)? < self.from {
            // Revisions after the compaction are missing: only a restore that raised them does that.
            return None;
        }
        if self.tail.changes == 0 {
            return Some(self.settled);
        }
        if self.tail.records == u32::MAX {
            return None;
        }
        let mut main = self.from;
        let mut changes = self.settled;
        for index in 0..self.tail.records {
            main += u64::from(index > 0 && (self.is_single() || self.tail.is_next.get(index)));
            if main > finished {
                break;
            }
            changes += u32::from(!self.tail.is_birth.get(index));
        }
        Some(changes)
    }

    /// Whether each revision behind the last gap has one record.
    fn is_single(&self) -> bool {
        u64::from(self.tail.records) == self.last.main.wrapping_sub(self.from).wrapping_add(1)
    }

    fn bits(&self) -> u32 {
        if self.is_single() { self.tail.records } else { self.tail.records.saturating_mul(2) }
    }

    /// The bits, where they are worth keeping.
    fn put_bits(&self, into: &mut Vec<u8>) {
        let parts: &[Bits] = if self.is_single() {
            &[self.tail.is_birth]
        } else {
            &[self.tail.is_birth, self.tail.is_next]
        };
        let each = usize::try_from(self.tail.records.div_ceil(8)).unwrap_or(0);
        for bits in parts {
            into.extend(bits.0.iter().take(each));
        }
    }

    fn has_bits(&self) -> bool {
        self.bits() <= self.limit && self.tail.changes > 0 && self.from != self.last.main
    }

    pub(super) fn put(&self, into: &mut Vec<u8>) {
        put(into, self.records);
        put(into, self.births);
        put(into, self.deaths);
        put(into, self.first.main);
        put(into, self.last.main.wrapping_sub(self.first.main));
        let has_subs = self.first.sub | self.last.sub != 0;
        let is_whole = self.from == self.first.main;
        into.push(u8::from(has_subs) | u8::from(is_whole) << 1 | u8::from(self.has_bits()) << 2);
        if has_subs {
            put(into, self.first.sub);
            put(into, self.last.sub);
        }
        if !is_whole {
            put(into, self.settled);
            put(into, self.from.wrapping_sub(self.first.main));
        }
        if self.has_bits() {
            put(into, self.tail.records);
            self.put_bits(into);
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (records, births, deaths) = (cursor.number()?, cursor.number()?, cursor.number()?);
        let first = cursor.varint()?;
        let last = first.wrapping_add(cursor.varint()?);
        let flags = cursor.byte()?;
        let subs = if flags & 1 == 1 { [cursor.varint()?, cursor.varint()?] } else { [0; 2] };
        let (settled, from) = match flags & 2 {
            0 => (cursor.number()?, first.wrapping_add(cursor.varint()?)),
            _ => (0, first),
        };
        let [first_sub, last_sub] = subs;
        let mut run = Self {
            records,
            births,
            deaths,
            first: Revision { main: first, sub: first_sub },
            last: Revision { main: last, sub: last_sub },
            settled,
            limit: MOST_BITS,
            from,
            tail: Tail {
                changes: records.checked_sub(births)?.checked_sub(settled)?,
                ..Tail::default()
            },
        };
        if flags & 4 == 0 {
            // Without bits: there are none to tell apart, or too many.
            let is_clear = run.tail.changes == 0 || run.from == run.last.main;
            run.tail.records = if is_clear { 0 } else { u32::MAX };
        } else {
            run.tail.records = cursor.number()?;
            run.read_bits(cursor)?;
        }
        Some(run)
    }

    fn read_bits(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        let each = usize::try_from(self.tail.records.div_ceil(8)).ok()?;
        let mut bits = || {
            let mut bits = Bits::default();
            bits.0.get_mut(..each)?.copy_from_slice(cursor.take(each)?);
            Some(bits)
        };
        self.tail.is_birth = bits()?;
        if !self.is_single() {
            self.tail.is_next = bits()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(changes: &[(u64, u64, Change)]) -> Run {
        let mut run = Run::new(4096);
        for &(main, sub, change) in changes {
            run.add(Revision { main, sub }, change);
        }
        let mut note = Vec::new();
        run.put(&mut note);
        Run::read(&mut Cursor::new(&note)).unwrap()
    }

    #[test]
    fn records_on_either_side_of_a_compaction_are_told_apart() {
        use Change::{Birth, Death, Update};
        let run = run(&[
            (3, 0, Update),
            (7, 0, Birth),
            (8, 0, Update),
            (8, 1, Death),
            (9, 0, Death),
            (10, 0, Birth),
        ]);
        // 2 births, 2 deaths, and the records up to it that are no births.
        for (finished, live) in [(0, 0), (6, 1), (7, 1), (8, 3), (9, 4), (10, 4), (11, 4)] {
            assert_eq!(run.live(finished), Some(live), "compacted at {finished}");
        }
        // A gap after the compaction is none that etcd makes.
        assert_eq!(run.live(4), None);
    }

    #[test]
    fn more_than_it_may_take_is_unknown_and_not_wrong() {
        let changes: Vec<_> = (0..120).map(|n| (5 + n / 2, n % 2, Change::Update)).collect();
        let run = run(&changes);
        assert_eq!(run.live(4), Some(0));
        assert_eq!(run.live(20), None);
        assert_eq!(run.live(64), Some(120));
    }
}
