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

/// More bytes are not spent on one leaf; its number of live keys is unknown where F divides it.
const MOST_BITS: usize = 12 * 8;

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bits(u128);

impl Bits {
    fn set(&mut self, index: u32, is_set: bool) {
        self.0 |= u128::from(is_set).checked_shl(index).unwrap_or(0);
    }

    fn get(self, index: u32) -> bool {
        self.0.checked_shr(index).unwrap_or(0) & 1 == 1
    }
}

impl Run {
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
        if usize::try_from(self.bits()).ok()? > MOST_BITS {
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
            into.extend(bits.0.to_le_bytes().iter().take(each));
        }
    }

    fn has_bits(&self) -> bool {
        let fits = usize::try_from(self.bits()).is_ok_and(|bits| bits <= MOST_BITS);
        fits && self.tail.changes > 0 && self.from != self.last.main
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
            from,
            tail: Tail { changes: (records - births).checked_sub(settled)?, ..Tail::default() },
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
            let mut bytes = [0; 16];
            bytes.get_mut(..each)?.copy_from_slice(cursor.take(each)?);
            Some(Bits(u128::from_le_bytes(bytes)))
        };
        self.tail.is_birth = bits()?;
        if !self.is_single() {
            self.tail.is_next = bits()?;
        }
        Some(())
    }
}
