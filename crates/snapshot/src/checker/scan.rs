//! A record's value, looked at only where it must be: its numbers, and where it ends.
//!
//! The key and the value proper may be megabytes and lie on other pages; both are stepped over.

use crate::{revision::Revision, varint::Cursor};

/// Tag and length of the key or the value.
const HEAD: usize = 11;
/// Three numbers with their tags, and the head of the value.
const NUMBERS: usize = 33 + HEAD;

/// What a record does to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Birth,
    Update,
    Death,
}

/// How far a value was looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    revision: Revision,
    change: Change,
    step: Step,
    /// Where the next step looks, from the value's beginning.
    at: usize,
    length: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Key,
    Numbers,
    Lease,
    Done,
}

impl Scan {
    pub(super) fn new(revision: Revision, is_deletion: bool, length: usize) -> Self {
        let change = if is_deletion { Change::Death } else { Change::Birth };
        Self { revision, change, step: Step::Key, at: 0, length }
    }

    /// The part of the value that is needed next: where it begins and its length.
    pub(super) fn wants(&self) -> Option<(usize, usize)> {
        let most = match self.step {
            Step::Key | Step::Lease => HEAD,
            Step::Numbers => NUMBERS,
            Step::Done => return None,
        };
        Some((self.at, most.min(self.length - self.at)))
    }

    /// Takes what it wanted. `None` where this is no record.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        match self.step {
            Step::Key => {
                // Empty is the record that a restore with a raised revision adds.
                let key = match bytes.first() {
                    Some(0x0a) => cursor.take(1).and_then(|_| cursor.number())?,
                    _ => 0,
                };
                self.skip(bytes.len() - cursor.rest().len(), key, Step::Numbers)
            }
            Step::Numbers => {
                let value = self.numbers(&mut cursor)?;
                self.skip(bytes.len() - cursor.rest().len(), value, Step::Lease)
            }
            Step::Lease => {
                if bytes.first() == Some(&0x30) {
                    cursor.take(1)?;
                    cursor.varint()?;
                }
                // What later versions of etcd may add comes after all that is known.
                let is_known_end = cursor.is_empty() || cursor.varint()? >> 3 > 6;
                self.step = Step::Done;
                is_known_end.then_some(())
            }
            Step::Done => Some(()),
        }
    }

    fn skip(&mut self, read: usize, over: usize, then: Step) -> Option<()> {
        self.at = self.at.checked_add(read)?.checked_add(over)?;
        self.step = then;
        (self.at <= self.length).then_some(())
    }

    /// Reads the numbers and gives the length of the value after them.
    fn numbers(&mut self, cursor: &mut Cursor<'_>) -> Option<usize> {
        loop {
            let Some(&tag) = cursor.rest().first() else { return Some(0) };
            if !matches!(tag, 0x10 | 0x18 | 0x20 | 0x2a) {
                return Some(0);
            }
            cursor.take(1)?;
            let number = cursor.varint()?;
            match tag {
                0x18 if number != self.revision.main => return None,
                0x20 if number > 1 && self.change == Change::Birth => self.change = Change::Update,
                0x2a => return usize::try_from(number).ok(),
                _ => {}
            }
        }
    }

    pub(super) fn found(&self) -> (Revision, Change) {
        (self.revision, self.change)
    }
}
