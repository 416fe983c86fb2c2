//! Every entry of every bucket, in the order of their keys.

use std::collections::HashSet;

use super::Database;
use crate::{
    Error, Flaw, ReadAt, Result,
    layout::{Bucket, Header, Kind, Slots, inline_slots},
};

/// bbolt's trees have at most a handful of levels; a cycle has no end.
const DEEPEST: usize = 64;
/// The longest page: etcd's requests are of 1.5 MiB, and some allow themselves hundreds.
const LONGEST: u64 = 1 << 30;

/// What a walk meets: a bucket's name, then its entries.
pub(super) trait Visit {
    /// A bucket begins.
    fn bucket(&mut self, name: &[u8]) -> Result<()>;
    /// An entry of the bucket that began last. A flaw is one of its page.
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Reason>;
}

/// What a visitor can find wrong with an entry.
pub(super) enum Reason {
    /// The page is at fault.
    Record,
    /// The entry is.
    Entry(Error),
}

impl From<Error> for Reason {
    fn from(error: Error) -> Self {
        Self::Entry(error)
    }
}

/// One walk from the root.
pub(super) struct Walk<'a, S, V> {
    pub(super) database: &'a Database<S>,
    pub(super) visitor: V,
    seen: HashSet<u64>,
}

/// Where a page belongs.
#[derive(Clone, Copy)]
struct Place {
    page: u64,
    parent: u64,
    depth: usize,
    in_root: bool,
}

impl<'a, S: ReadAt, V: Visit> Walk<'a, S, V> {
    pub(super) fn new(database: &'a Database<S>, visitor: V) -> Self {
        Self { database, visitor, seen: HashSet::new() }
    }

    pub(super) fn run(mut self) -> Result<V> {
        let page = u64::from(self.database.meta.root);
        self.tree(Place { page, parent: 0, depth: 0, in_root: true }, &mut Vec::new())?;
        Ok(self.visitor)
    }

    /// `last` is the key before this page's, in the same bucket.
    fn tree(&mut self, place: Place, last: &mut Vec<u8>) -> Result<()> {
        let (header, bytes) = self.load(place)?;
        let flawed = |flaw| self.database.flawed(place.page, flaw);
        let kind = header.kind().map_err(flawed)?;
        let slots = Slots::new(&bytes, kind, header.count, bytes.len()).map_err(flawed)?;
        let mut end = 0;
        for slot in slots {
            let slot = slot.map_err(flawed)?;
            end = slot.end();
            let key = slot.key_in(&bytes).map_err(flawed)?;
            // A branch's first key may be that of its parent, and a leaf's that of its branch.
            let is_first = slot.index == 0 || kind == Kind::Branch;
            if last.as_slice() > key || (last.as_slice() == key && !is_first) {
                return Err(self.database.flawed(place.page, Flaw::Order(slot.index)));
            }
            key.clone_into(last);
            if kind == Kind::Branch {
                let below =
                    Place { page: slot.child, parent: place.page, depth: place.depth + 1, ..place };
                self.tree(below, last)?;
                continue;
            }
            let value = slot.value_in(&bytes).map_err(flawed)?;
            if slot.is_bucket != place.in_root {
                return Err(self.database.flawed(place.page, Flaw::Misfit(slot.index)));
            }
            if place.in_root {
                self.visitor.bucket(key)?;
                self.bucket(place, slot.index, value)?;
            } else {
                self.entry(place.page, slot.index, key, value)?;
            }
        }
        // bbolt gives a page no more room than it needs.
        let page_size = usize::try_from(self.database.meta.page_size).unwrap_or(usize::MAX);
        if header.overflow > 0 && end < bytes.len().saturating_sub(page_size) {
            return Err(self.database.flawed(place.page, Flaw::Overflow));
        }
        Ok(())
    }

    fn entry(&mut self, page: u64, index: u16, key: &[u8], value: &[u8]) -> Result<()> {
        self.visitor.entry(key, value).map_err(|reason| match reason {
            Reason::Record => self.database.flawed(page, Flaw::Record(index)),
            Reason::Entry(error) => error,
        })
    }

    fn bucket(&mut self, place: Place, index: u16, value: &[u8]) -> Result<()> {
        let flawed = || self.database.flawed(place.page, Flaw::Bucket(index));
        match Bucket::of(value).ok_or_else(flawed)? {
            Bucket::Tree(page) => {
                let below =
                    Place { page, parent: place.page, depth: place.depth + 1, in_root: false };
                self.tree(below, &mut Vec::new())
            }
            Bucket::Inline(page) => {
                let mut last: &[u8] = &[];
                for slot in inline_slots(page).ok_or_else(flawed)? {
                    let slot = slot.ok().filter(|slot| !slot.is_bucket).ok_or_else(flawed)?;
                    let key =
                        slot.key_in(page).ok().filter(|&key| key > last).ok_or_else(flawed)?;
                    last = key;
                    let value = slot.value_in(page).map_err(|_| flawed())?;
                    self.entry(place.page, index, key, value)?;
                }
                Ok(())
            }
        }
    }

    fn load(&mut self, place: Place) -> Result<(Header, Vec<u8>)> {
        let Place { page, parent, depth, .. } = place;
        let meta = &self.database.meta;
        let size = u64::from(meta.page_size);
        if depth > DEEPEST {
            return Err(Error::TooDeep { page });
        }
        if !(2..u64::from(meta.pages)).contains(&page) {
            return Err(Error::Outside { page, parent });
        }
        let mut bytes = self.database.read(page * size, meta.page_size.try_into().unwrap_or(0))?;
        let header = Header::of(&bytes).filter(|header| header.id == page);
        let header = header.ok_or_else(|| self.database.flawed(page, Flaw::Absent))?;
        let pages = u64::from(header.overflow) + 1;
        let length = pages * size;
        if page + pages > u64::from(meta.pages) || length > LONGEST {
            return Err(self.database.flawed(page, Flaw::Overflow));
        }
        // Before its bytes are read: a page may claim the whole file, and so may the next.
        for page in page..page + pages {
            if !self.seen.insert(page) {
                return Err(Error::Shared { page, parent });
            }
        }
        if pages > 1 {
            bytes = self.database.read(page * size, length.try_into().unwrap_or(usize::MAX))?;
        }
        Ok((header, bytes))
    }
}
