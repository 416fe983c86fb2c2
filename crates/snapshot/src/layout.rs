//! The bytes of a bbolt page.
//!
//! ```text
//! header, 16 bytes   id u64 | flags u16 | count u16 | overflow u32        all little-endian
//! element, 16 bytes  leaf:   flags u32 | pos u32 | key size u32 | value size u32
//!                    branch: pos u32 | key size u32 | page u64
//! data               the elements' keys and values, in order, without gaps
//! ```
//!
//! `pos` counts from the element's own beginning. A page goes on over `overflow` more pages, which have
//! no header of their own. Sources: bbolt's `internal/common/page.go` and `inode.go`.

use crate::Flaw;

pub(crate) const HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
pub(crate) const META: u16 = 0x04;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

/// What a page says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) id: u64,
    pub(crate) flags: u16,
    pub(crate) count: u16,
    pub(crate) overflow: u32,
}

impl Header {
    pub(crate) fn of(page: &[u8]) -> Option<Self> {
        let (head, _) = page.split_first_chunk::<HEADER>()?;
        Some(Self {
            id: u64_at(head, 0)?,
            flags: u16_at(head, 8)?,
            count: u16_at(head, 10)?,
            overflow: u32_at(head, 12)?,
        })
    }

    pub(crate) fn kind(&self) -> Result<Kind, Flaw> {
        match self.flags {
            BRANCH if self.count > 0 => Ok(Kind::Branch),
            BRANCH => Err(Flaw::Count(0)),
            LEAF => Ok(Kind::Leaf),
            _ => Err(Flaw::Kind),
        }
    }
}

/// The pages that a tree consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Branch,
    Leaf,
}

/// One element of a page: where its bytes lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) index: u16,
    /// Only leaves have them.
    pub(crate) is_bucket: bool,
    /// Only branches have one.
    pub(crate) child: u64,
    /// Where the key begins, from the page's beginning.
    pub(crate) at: usize,
    pub(crate) key: usize,
    pub(crate) value: usize,
}

impl Slot {
    /// Where its bytes end.
    pub(crate) fn end(&self) -> usize {
        self.at + self.key + self.value
    }

    /// The key's bytes, where `page` has them all.
    pub(crate) fn key_in<'a>(&self, page: &'a [u8]) -> Result<&'a [u8], Flaw> {
        page.get(self.at..self.at + self.key).ok_or(Flaw::Bounds(self.index))
    }

    pub(crate) fn value_in<'a>(&self, page: &'a [u8]) -> Result<&'a [u8], Flaw> {
        let start = self.at + self.key;
        page.get(start..start + self.value).ok_or(Flaw::Bounds(self.index))
    }
}

/// The elements of a page, each checked to lie where the one before it ends, and within the page.
#[derive(Debug, Clone)]
pub(crate) struct Slots<'a> {
    rows: &'a [u8],
    kind: Kind,
    index: u16,
    row: usize,
    data: usize,
    end: usize,
}

impl<'a> Slots<'a> {
    /// `first` holds at least the element table; `end` is the size of the page with all its overflow.
    pub(crate) fn new(first: &'a [u8], kind: Kind, count: u16, end: usize) -> Result<Self, Flaw> {
        let table = HEADER + ELEMENT * usize::from(count);
        let rows = first.get(HEADER..table).ok_or(Flaw::Count(count))?;
        Ok(Self { rows, kind, index: 0, row: HEADER, data: table, end })
    }

    fn slot(&self, row: &[u8]) -> Option<Slot> {
        let number = |at| u32_at(row, at).and_then(|number| usize::try_from(number).ok());
        let (flags, pos, key, value, child) = match self.kind {
            Kind::Leaf => (u32_at(row, 0)?, number(4)?, number(8)?, number(12)?, 0),
            Kind::Branch => (0, number(0)?, number(4)?, 0, u64_at(row, 8)?),
        };
        let at = self.row.checked_add(pos)?;
        let end = at.checked_add(key)?.checked_add(value)?;
        let fits = at == self.data && end <= self.end && key > 0;
        let slot = Slot { index: self.index, is_bucket: flags == 1, child, at, key, value };
        fits.then_some(slot)
    }
}

impl Iterator for Slots<'_> {
    type Item = Result<Slot, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let (row, rest) = self.rows.split_at_checked(ELEMENT)?;
        if self.kind == Kind::Leaf && u32_at(row, 0)? > 1 {
            self.rows = &[];
            return Some(Err(Flaw::Flags(self.index)));
        }
        let Some(slot) = self.slot(row) else {
            self.rows = &[];
            return Some(Err(Flaw::Bounds(self.index)));
        };
        self.rows = rest;
        self.data = slot.end();
        self.row += ELEMENT;
        self.index = self.index.saturating_add(1);
        Some(Ok(slot))
    }
}

/// A bucket as the value of an element: a tree of its own, or a small leaf within the value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bucket<'a> {
    Tree(u64),
    /// A page with its header.
    Inline(&'a [u8]),
}

impl<'a> Bucket<'a> {
    pub(crate) fn of(value: &'a [u8]) -> Option<Self> {
        // The second half of the 16 bytes is a sequence, which etcd does not use.
        match u64_at(value.get(..16)?, 0)? {
            0 => Some(Self::Inline(value.get(16..)?)),
            root => Some(Self::Tree(root)),
        }
    }
}

/// The elements of an inline bucket's page.
pub(crate) fn inline_slots(page: &[u8]) -> Option<Slots<'_>> {
    let header = Header::of(page)?;
    let is_leaf = header.kind() == Ok(Kind::Leaf) && header.overflow == 0;
    is_leaf.then(|| Slots::new(page, Kind::Leaf, header.count, page.len()).ok()).flatten()
}
