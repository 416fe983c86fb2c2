//! Each page as it comes: read once, noted in a few bytes.
//!
//! Whether a page counts is known only at the end, so everything that looks like a page is noted, also
//! within the overflow of another: that other one may be stale and its overflow in use again. What is
//! wrong with a page is noted too, and an error only if the page counts.

use super::{
    children::{Child, Families, Form},
    content::{Content, Shared},
    note::{self, Leaf},
    notes::Notes,
    records::records,
    run::Run,
    spread::Spread,
};
use crate::{
    Error, Flaw, Result,
    layout::{Header, Kind, Slots},
    revision::Revision,
};

/// Memory for each page of 4 KiB, and what is allowed beyond it: 8 MB for each GB.
const PER_PAGE: usize = 32;
const BESIDES: usize = 4 << 20;

/// All pages so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) notes: Notes,
    pub(super) shared: Shared,
    families: Families,
    spread: Spread,
    content: Content,
    note: Vec<u8>,
    children: Vec<Child>,
    page_size: usize,
    /// The number of pages that the meta page gives.
    total: u32,
    next: u32,
}

impl Pages {
    pub(super) fn new(page_size: usize, total: u32) -> Self {
        Self { page_size, total, ..Self::default() }
    }

    pub(super) fn seen(&self) -> u32 {
        self.next
    }

    /// Takes the next page.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let page = self.next;
        self.next = self.next.saturating_add(1);
        self.notes.begin_page();
        if page < 2 {
            return Ok(());
        }
        if !self.spread.is_empty() {
            let mut spread = std::mem::take(&mut self.spread);
            for whole in spread.push(bytes) {
                self.note_whole(whole.page, whole.header, &whole.bytes)?;
            }
            for (page, overflow, result) in spread.records() {
                self.note_records(page, overflow, result)?;
            }
            self.spread = spread;
        }
        match Header::of(bytes).filter(|header| header.id == u64::from(page)) {
            Some(header) => self.begin(page, header, bytes),
            None => Ok(()),
        }
    }

    fn begin(&mut self, page: u32, header: Header, bytes: &[u8]) -> Result<()> {
        if header.overflow == 0 {
            return self.note_whole(page, header, bytes);
        }
        if u64::from(page) + u64::from(header.overflow) >= u64::from(self.total) {
            return self.note_flaw(page, Flaw::Overflow);
        }
        let pages = usize::try_from(header.overflow).unwrap_or(usize::MAX).saturating_add(1);
        let length = self.page_size.saturating_mul(pages);
        let table = header.kind().and_then(|kind| {
            let slots =
                Slots::new(bytes, kind, header.count, length)?.collect::<Result<Vec<_>, _>>()?;
            Ok((kind, slots))
        });
        match table {
            Err(flaw) => self.note_flaw(page, flaw),
            // bbolt gives a page no more room than it needs.
            Ok((_, slots))
                if slots.last().is_none_or(|slot| slot.end() < length - self.page_size) =>
            {
                self.note_flaw(page, Flaw::Overflow)
            }
            Ok((kind, slots)) => {
                if self.spread.begin(page, header, kind, slots, bytes, length) {
                    return Ok(());
                }
                self.note_flat(page, note::UNREAD)
            }
        }
    }

    fn note_whole(&mut self, page: u32, header: Header, bytes: &[u8]) -> Result<()> {
        let kind = match header.kind() {
            Ok(kind) => kind,
            Err(flaw) => return self.note_flaw(page, flaw),
        };
        let noted = match kind {
            Kind::Branch => self.branch(page, header, bytes),
            Kind::Leaf => self.leaf(page, header, bytes),
        };
        noted?.map_or(Ok(()), |flaw| self.note_flaw(page, flaw))
    }

    fn branch(&mut self, page: u32, header: Header, bytes: &[u8]) -> Result<Option<Flaw>> {
        self.children.clear();
        if let Err(flaw) = read_children(header, bytes, self.total, &mut self.children) {
            return Ok(Some(flaw));
        }
        self.note.clear();
        let head = note::head(&mut self.note, note::BRANCH, header.overflow);
        match self.families.put(&self.children, &self.notes, &mut self.note) {
            Form::Whole => {
                let place = self.keep(page)?;
                self.families.found(&self.children, place.saturating_add(head));
            }
            Form::Difference => {
                note::set_kind(&mut self.note, note::DIFFERENT_BRANCH);
                self.keep(page)?;
            }
        }
        Ok(None)
    }

    fn leaf(&mut self, page: u32, header: Header, bytes: &[u8]) -> Result<Option<Flaw>> {
        let slots = Slots::new(bytes, Kind::Leaf, header.count, bytes.len());
        match slots.and_then(|slots| records(slots, bytes)) {
            Ok(Some(run)) => {
                return self.note_records(page, header.overflow, Ok(run)).map(|()| None);
            }
            Ok(None) => {}
            Err(flaw @ Flaw::Record(_)) => return self.other(page, header, bytes, Some(flaw)),
            Err(flaw) => return Ok(Some(flaw)),
        }
        self.other(page, header, bytes, None)
    }

    /// A leaf of another bucket, or of the root.
    fn other(
        &mut self,
        page: u32,
        header: Header,
        bytes: &[u8],
        record: Option<Flaw>,
    ) -> Result<Option<Flaw>> {
        self.content.clear();
        let mut leaf = Leaf { entries: header.count, ..Leaf::default() };
        if let Err(flaw) = read_other(header, bytes, &mut self.content, &mut leaf) {
            return Ok(Some(flaw));
        }
        leaf.flaw = record.or(leaf.flaw);
        if !self.content.is_empty() {
            let Some(number) = self.shared.number(&self.content) else {
                return self.note_flat(page, note::UNREAD).map(|()| None);
            };
            leaf.shared = number;
        }
        self.note.clear();
        note::head(&mut self.note, note::OTHER, header.overflow);
        leaf.put(&mut self.note, self.content.numbers());
        self.keep(page).map(|_| None)
    }

    fn note_records(&mut self, page: u32, overflow: u32, run: Result<Run, Flaw>) -> Result<()> {
        let run = match run {
            Ok(run) => run,
            Err(flaw) => return self.note_flaw(page, flaw),
        };
        self.note.clear();
        note::head(&mut self.note, note::RECORDS, overflow);
        run.put(&mut self.note);
        self.keep(page).map(drop)
    }

    fn note_flaw(&mut self, page: u32, flaw: Flaw) -> Result<()> {
        self.note.clear();
        note::put_flaw(&mut self.note, flaw);
        self.keep(page).map(drop)
    }

    fn note_flat(&mut self, page: u32, kind: u8) -> Result<()> {
        self.note.clear();
        note::head(&mut self.note, kind, 0);
        self.keep(page).map(drop)
    }

    fn keep(&mut self, page: u32) -> Result<u32> {
        let too_complex = || Error::TooComplex { page: page.into() };
        let place = self.notes.keep(page, &self.note).ok_or_else(too_complex)?;
        let seen = usize::try_from(self.next).unwrap_or(usize::MAX);
        let per_page = PER_PAGE.max(self.page_size / 4096 * PER_PAGE);
        if self.memory() > seen.saturating_mul(per_page).saturating_add(BESIDES) {
            return Err(too_complex());
        }
        Ok(place)
    }

    pub(super) fn memory(&self) -> usize {
        let scratch = self.note.capacity() + self.children.capacity() * size_of::<Child>();
        self.notes.memory()
            + self.shared.memory()
            + self.families.memory()
            + self.spread.memory()
            + scratch
    }
}

fn read_children(
    header: Header,
    bytes: &[u8],
    total: u32,
    children: &mut Vec<Child>,
) -> Result<(), Flaw> {
    let mut last: &[u8] = &[];
    for slot in Slots::new(bytes, Kind::Branch, header.count, bytes.len())? {
        let slot = slot?;
        let key = slot.key_in(bytes)?;
        if key <= last {
            return Err(Flaw::Order(slot.index));
        }
        last = key;
        let child = u32::try_from(slot.child).ok().filter(|child| (2..total).contains(child));
        let page = child.ok_or(Flaw::Child(slot.index))?;
        children.push(Child { page, key: mark(key) });
    }
    Ok(())
}

/// A key in a form that can be compared across pages: a revision, or the first eight bytes of any other.
pub(super) fn mark(key: &[u8]) -> Revision {
    Revision::of(key).map_or_else(
        || {
            let mut main = [0; 8];
            main.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
            Revision { main: u64::from_be_bytes(main), sub: 0 }
        },
        |(revision, _)| revision,
    )
}

fn read_other(
    header: Header,
    bytes: &[u8],
    content: &mut Content,
    leaf: &mut Leaf,
) -> Result<(), Flaw> {
    let mut last: &[u8] = &[];
    for slot in Slots::new(bytes, Kind::Leaf, header.count, bytes.len())? {
        let slot = slot?;
        let (key, value) = (slot.key_in(bytes)?, slot.value_in(bytes)?);
        if key <= last {
            return Err(Flaw::Order(slot.index));
        }
        last = key;
        if slot.index == 0 {
            leaf.first = mark(key);
            leaf.is_root = slot.is_bucket;
        }
        if slot.is_bucket != leaf.is_root {
            return Err(Flaw::Misfit(slot.index));
        }
        if slot.is_bucket {
            content.bucket(slot, key, value)?;
        } else {
            content.entry(key, value);
        }
    }
    leaf.last = mark(last);
    Ok(())
}
