//! What the notes of pages look like, each read back at the end.

use super::{
    children::{self, Child, Form},
    notes::Notes,
    run::Run,
};
use crate::{
    Flaw,
    revision::Revision,
    varint::{Cursor, put, put_text},
};

/// Something is wrong: which flaw, and at which element.
const FLAWED: u8 = 1;
pub(super) const BRANCH: u8 = 2;
pub(super) const DIFFERENT_BRANCH: u8 = 3;
/// A leaf of the bucket `key`.
pub(super) const RECORDS: u8 = 4;
/// Any other leaf.
pub(super) const OTHER: u8 = 5;
/// A page that would have taken too much memory.
pub(super) const UNREAD: u8 = 6;
/// Set where an overflow follows.
const OVERFLOWS: u8 = 0x80;

/// Begins a note and says how long its head is.
pub(super) fn head(into: &mut Vec<u8>, kind: u8, overflow: u32) -> u32 {
    if overflow == 0 {
        into.push(kind);
    } else {
        into.push(kind | OVERFLOWS);
        put(into, overflow);
    }
    u32::try_from(into.len()).unwrap_or(0)
}

pub(super) fn set_kind(note: &mut [u8], kind: u8) {
    if let Some(first) = note.first_mut() {
        *first = kind | *first & OVERFLOWS;
    }
}

pub(super) fn put_flaw(into: &mut Vec<u8>, flaw: Flaw) {
    let (code, element) = match flaw {
        Flaw::Absent => (0, 0),
        Flaw::Kind => (1, 0),
        Flaw::Overflow => (2, 0),
        Flaw::Count(count) => (3, count),
        Flaw::Bounds(element) => (4, element),
        Flaw::Order(element) => (5, element),
        Flaw::Flags(element) => (6, element),
        Flaw::Misfit(element) => (7, element),
        Flaw::Bucket(element) => (8, element),
        Flaw::Record(element) => (9, element),
        Flaw::Child(element) => (10, element),
    };
    into.extend([FLAWED, code]);
    put(into, element);
}

fn read_flaw(cursor: &mut Cursor<'_>) -> Option<Flaw> {
    let code = cursor.byte()?;
    let element = cursor.number()?;
    Some(match code {
        1 => Flaw::Kind,
        2 => Flaw::Overflow,
        3 => Flaw::Count(element),
        4 => Flaw::Bounds(element),
        5 => Flaw::Order(element),
        6 => Flaw::Flags(element),
        7 => Flaw::Misfit(element),
        8 => Flaw::Bucket(element),
        9 => Flaw::Record(element),
        10 => Flaw::Child(element),
        _ => Flaw::Absent,
    })
}

/// A leaf of the root, or of any bucket but `key`.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    pub(super) entries: u16,
    pub(super) is_root: bool,
    pub(super) first: Revision,
    pub(super) last: Revision,
    /// Why it is no leaf of the bucket `key`, where it looks like one at first.
    pub(super) flaw: Option<Flaw>,
    /// The number of its content's shared part; 0 for none.
    pub(super) shared: u32,
}

impl Leaf {
    pub(super) fn put(&self, into: &mut Vec<u8>, numbers: &[u8]) {
        put(into, self.entries);
        into.push(u8::from(self.is_root));
        for mark in [self.first, self.last] {
            put(into, mark.main);
            put(into, mark.sub);
        }
        let element = if let Some(Flaw::Record(element)) = self.flaw { element } else { 0 };
        put(into, element);
        put(into, self.shared);
        put_text(into, numbers);
    }

    fn read<'a>(cursor: &mut Cursor<'a>) -> Option<(Self, &'a [u8])> {
        let (entries, is_root) = (cursor.number()?, cursor.byte()? == 1);
        let mut mark = || Some(Revision { main: cursor.varint()?, sub: cursor.varint()? });
        let (first, last) = (mark()?, mark()?);
        let flaw = Some(Flaw::Record(cursor.number()?));
        let leaf = Self { entries, is_root, first, last, flaw, shared: cursor.number()? };
        Some((leaf, cursor.text()?))
    }
}

/// A note that was read back.
#[derive(Debug)]
pub(super) enum Note<'a> {
    Flawed(Flaw),
    Branch(Vec<Child>),
    Records(Run),
    Other(Leaf, &'a [u8]),
    Unread,
}

/// The note of a page and its overflow.
pub(super) fn read(notes: &Notes, page: u32) -> Option<(Note<'_>, u32)> {
    let mut cursor = Cursor::new(notes.of(page)?);
    let first = cursor.byte()?;
    let overflow = if first & OVERFLOWS == 0 { 0 } else { cursor.number()? };
    let note = match first & !OVERFLOWS {
        FLAWED => Note::Flawed(read_flaw(&mut cursor)?),
        BRANCH => Note::Branch(children::read(&Form::Whole, &mut cursor, notes)?),
        DIFFERENT_BRANCH => Note::Branch(children::read(&Form::Difference, &mut cursor, notes)?),
        RECORDS => Note::Records(Run::read(&mut cursor)?),
        OTHER => {
            let (leaf, numbers) = Leaf::read(&mut cursor)?;
            Note::Other(leaf, numbers)
        }
        _ => Note::Unread,
    };
    Some((note, overflow))
}
