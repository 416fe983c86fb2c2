//! Pages with overflow, while they come piece by piece.
//!
//! Of a leaf of the bucket `key` only its keys and a few bytes of each value are needed, which are picked
//! out as they pass. Any other page is put together; only small ones exist.

use super::{run::Run, scan::Scan};
use crate::{
    Flaw,
    layout::{Header, Kind, Slot},
    revision::Revision,
};

/// The longest page that is put together. Roles of thousands of permissions have less.
const LONGEST: usize = 2 << 20;
/// All that is put together, and their number: each page that lies within the overflow of a stale one.
const MOST: usize = 3 << 20;
const MOST_PAGES: usize = 64;
/// Leaves up to this are put together too: what looks like a leaf of the bucket `key` may be another.
const SMALL: usize = 64 << 10;
/// The longest key of a record.
const KEY: usize = 18;

/// A page that is complete.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) page: u32,
    pub(super) header: Header,
    pub(super) bytes: Vec<u8>,
    length: usize,
}

/// A leaf of the bucket `key`, as far as it came.
#[derive(Debug)]
struct Passing {
    page: u32,
    overflow: u32,
    slots: std::vec::IntoIter<Slot>,
    slot: Option<Slot>,
    scan: Option<Scan>,
    run: Run,
    /// The bytes before the next page, from the page's beginning.
    seen: usize,
    /// The beginning of what is wanted, where a page's end divides it.
    part: Vec<u8>,
    result: Option<Result<(), Flaw>>,
}

/// All pages that go on.
#[derive(Debug, Default)]
pub(super) struct Spread {
    wholes: Vec<Whole>,
    passing: Vec<Passing>,
}

impl Spread {
    pub(super) fn is_empty(&self) -> bool {
        self.wholes.is_empty() && self.passing.is_empty()
    }

    /// Begins a page of `length` bytes. False where it would take too much memory.
    pub(super) fn begin(
        &mut self,
        page: u32,
        header: Header,
        kind: Kind,
        slots: Vec<Slot>,
        bytes: &[u8],
        length: usize,
    ) -> bool {
        if self.wholes.len() + self.passing.len() >= MOST_PAGES {
            return false;
        }
        let is_record = |slot: &Slot| {
            let key = bytes.get(slot.at..slot.at + slot.key);
            !slot.is_bucket && key.is_some_and(|key| Revision::of(key).is_some())
        };
        let fits = length <= LONGEST && self.memory() + length <= MOST;
        let is_passing = kind == Kind::Leaf && slots.first().is_some_and(is_record);
        if is_passing && (length > SMALL || !fits) {
            let mut passing = Passing::new(page, header.overflow, slots);
            passing.take(bytes);
            self.passing.push(passing);
            return true;
        }
        if fits {
            let mut whole = Vec::with_capacity(length);
            whole.extend_from_slice(bytes);
            self.wholes.push(Whole { page, header, bytes: whole, length });
        }
        fits
    }

    /// Takes the next page and gives those that are whole with it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Whole> {
        for passing in &mut self.passing {
            passing.take(bytes);
        }
        for whole in &mut self.wholes {
            whole.bytes.extend_from_slice(bytes);
        }
        self.wholes.extract_if(.., |whole| whole.bytes.len() >= whole.length).collect()
    }

    /// The leaves that are over: their page, overflow, and what they hold.
    pub(super) fn records(&mut self) -> Vec<(u32, u32, Result<Run, Flaw>)> {
        let over = self.passing.extract_if(.., |passing| passing.result.is_some());
        over.map(|passing| {
            let result = passing.result.unwrap_or(Ok(()));
            (passing.page, passing.overflow, result.map(|()| passing.run))
        })
        .collect()
    }

    pub(super) fn memory(&self) -> usize {
        let wholes: usize = self.wholes.iter().map(|whole| whole.length).sum();
        let slots: usize = self.passing.iter().map(|passing| passing.slots.len()).sum();
        wholes + slots * size_of::<Slot>() + self.passing.len() * size_of::<Passing>()
    }
}

impl Passing {
    fn new(page: u32, overflow: u32, slots: Vec<Slot>) -> Self {
        let mut slots = slots.into_iter();
        let slot = slots.next();
        let (run, part) = (Run::new(0), Vec::new());
        Self { page, overflow, slots, slot, scan: None, run, seen: 0, part, result: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        while let (Some(slot), None) = (self.slot, self.result) {
            let (at, length) = self.wants(slot);
            let missing = length - self.part.len().min(length);
            let start = (at + self.part.len()).saturating_sub(self.seen);
            if start > bytes.len() || (start == bytes.len() && missing > 0) {
                break;
            }
            let rest = bytes.get(start..).unwrap_or_default();
            if rest.len() < missing {
                self.part.extend_from_slice(rest);
                break;
            }
            let mut wanted = std::mem::take(&mut self.part);
            wanted.extend_from_slice(rest.get(..missing).unwrap_or_default());
            if let Err(flaw) = self.step(slot, &wanted) {
                self.result = Some(Err(flaw));
            }
        }
        if self.slot.is_none() && self.result.is_none() {
            self.result = Some(Ok(()));
        }
        self.seen += bytes.len();
    }

    /// Where the next wanted bytes begin in the page, and how many they are.
    fn wants(&self, slot: Slot) -> (usize, usize) {
        match self.scan.and_then(|scan| scan.wants()) {
            Some((at, length)) => (slot.at + slot.key + at, length),
            None => (slot.at, slot.key.min(KEY + 1)),
        }
    }

    fn step(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), Flaw> {
        let flaw = Flaw::Record(slot.index);
        let Some(mut scan) = self.scan else {
            let (revision, is_deletion) =
                Revision::of(bytes).filter(|_| !slot.is_bucket).ok_or(flaw)?;
            if self.run.records > 0 && revision <= self.run.last {
                return Err(Flaw::Order(slot.index));
            }
            self.scan = Some(Scan::new(revision, is_deletion, slot.value));
            return Ok(());
        };
        scan.take(bytes).ok_or(flaw)?;
        self.scan = Some(scan);
        if scan.wants().is_none() {
            let (revision, change) = scan.found();
            self.run.add(revision, change);
            self.scan = None;
            self.slot = self.slots.next();
        }
        Ok(())
    }
}
