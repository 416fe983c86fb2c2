//! What is kept of a leaf outside the bucket `key`: the buckets that it names, and the entries that
//! [`Facts`](crate::facts::Facts) wants.
//!
//! Every commit writes the root's leaf anew, so a file may hold hundreds of thousands of stale ones. They
//! differ in little but numbers: the numbers go into the page's note, the rest is kept once for all pages
//! that share it.

use std::collections::HashMap;

use super::{records::records, run::Run};
use crate::{
    Flaw,
    facts::NAMES,
    layout::{Bucket, Slot, Slots, inline_slots},
    revision::Revision,
    varint::{Cursor, put, put_size, put_text},
};

/// All shared parts together. Members, versions and auth change rarely.
const MOST_SHARED: usize = 1 << 20;
/// The longest value that is wanted: a member with very many URLs.
const LONGEST: usize = 16 << 10;

const TREE: u8 = 0;
const INLINE: u8 = 1;
const VALUE: u8 = 2;
const NUMBER: u8 = 3;
const REVISION: u8 = 4;
const RUN: u8 = 5;

/// The two parts of a page's content.
#[derive(Debug, Default)]
pub(super) struct Content {
    shared: Vec<u8>,
    numbers: Vec<u8>,
}

impl Content {
    pub(super) fn clear(&mut self) {
        self.shared.clear();
        self.numbers.clear();
    }

    pub(super) fn numbers(&self) -> &[u8] {
        &self.numbers
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Takes a bucket with its entries, where they lie within its value.
    pub(super) fn bucket(&mut self, slot: Slot, name: &[u8], value: &[u8]) -> Result<(), Flaw> {
        let flawed = Flaw::Bucket(slot.index);
        match Bucket::of(value).ok_or(flawed)? {
            Bucket::Tree(root) => {
                self.shared.push(TREE);
                put_text(&mut self.shared, name);
                put(&mut self.numbers, root);
            }
            Bucket::Inline(page) => {
                let slots = inline_slots(page).ok_or(flawed)?;
                let run = if name == b"key" {
                    records(slots.clone(), page).map_err(|_| flawed)?
                } else {
                    None
                };
                self.shared.push(if run.is_some() { RUN } else { INLINE });
                put_text(&mut self.shared, name);
                if let Some(run) = run {
                    run.put(&mut self.numbers);
                    return Ok(());
                }
                put_size(&mut self.numbers, slots.clone().count());
                self.inline(slots, page).ok_or(flawed)?;
            }
        }
        Ok(())
    }

    fn inline(&mut self, slots: Slots<'_>, page: &[u8]) -> Option<()> {
        let mut last: &[u8] = &[];
        for slot in slots {
            let slot = slot.ok().filter(|slot| !slot.is_bucket)?;
            let key = slot.key_in(page).ok().filter(|&key| key > last)?;
            self.entry(key, slot.value_in(page).ok()?);
            last = key;
        }
        Some(())
    }

    /// Takes an entry if it may be wanted.
    pub(super) fn entry(&mut self, key: &[u8], value: &[u8]) {
        let is_wanted = NAMES.iter().any(|name| name.as_bytes() == key) || is_member(key, value);
        if !is_wanted || value.len() > LONGEST {
            return;
        }
        let number = <[u8; 8]>::try_from(value).ok().map(u64::from_be_bytes);
        let revision = Revision::of(value).filter(|(_, is_deletion)| !is_deletion);
        self.shared.push(match (number, revision) {
            (Some(_), _) => NUMBER,
            (_, Some(_)) => REVISION,
            _ => VALUE,
        });
        put_text(&mut self.shared, key);
        match (number, revision) {
            (Some(number), _) => put(&mut self.numbers, number),
            (_, Some((revision, _))) => {
                put(&mut self.numbers, revision.main);
                put(&mut self.numbers, revision.sub);
            }
            _ => put_text(&mut self.shared, value),
        }
    }
}

/// An ID with what `members` says of it. Of `members_removed` only the number is wanted.
fn is_member(key: &[u8], value: &[u8]) -> bool {
    key.len() <= 16 && key.iter().all(u8::is_ascii_hexdigit) && value.starts_with(b"{")
}

/// The shared parts, each once.
#[derive(Debug, Default)]
pub(super) struct Shared {
    numbers: HashMap<Vec<u8>, u32>,
    size: usize,
}

impl Shared {
    /// The number of a content's shared part, from 1 on. `None` where there is no room for another.
    pub(super) fn number(&mut self, content: &Content) -> Option<u32> {
        if let Some(&number) = self.numbers.get(&content.shared) {
            return Some(number);
        }
        self.size += content.shared.len() + 64;
        let number = u32::try_from(self.numbers.len() + 1).ok()?;
        (self.size <= MOST_SHARED).then(|| {
            self.numbers.insert(content.shared.clone(), number);
            number
        })
    }

    /// By number, for the end.
    pub(super) fn into_parts(self) -> HashMap<u32, Vec<u8>> {
        self.numbers.into_iter().map(|(part, number)| (number, part)).collect()
    }

    pub(super) fn memory(&self) -> usize {
        self.size
    }
}

/// What a content tells, in its order.
#[derive(Debug)]
pub(super) enum Item<'a> {
    /// A bucket with a tree of its own.
    Tree(&'a [u8], u64),
    /// A bucket with that many entries, of which the wanted ones follow.
    Inline(&'a [u8], u64),
    Entry(&'a [u8], Vec<u8>),
    /// The bucket `key`, where it is so small.
    Run(Run),
}

/// Reads a content back.
pub(super) fn items<'a>(shared: &'a [u8], numbers: &[u8]) -> Option<Vec<Item<'a>>> {
    let (mut shared, mut numbers) = (Cursor::new(shared), Cursor::new(numbers));
    let mut items = Vec::new();
    while !shared.is_empty() {
        let kind = shared.byte()?;
        let name = shared.text()?;
        items.push(match kind {
            TREE => Item::Tree(name, numbers.varint()?),
            INLINE => Item::Inline(name, numbers.varint()?),
            RUN => Item::Run(Run::read(&mut numbers)?),
            NUMBER => Item::Entry(name, numbers.varint()?.to_be_bytes().to_vec()),
            REVISION => {
                let (main, sub) = (numbers.varint()?, numbers.varint()?);
                Item::Entry(name, [&main.to_be_bytes()[..], b"_", &sub.to_be_bytes()].concat())
            }
            _ => Item::Entry(name, shared.text()?.to_vec()),
        });
    }
    Some(items)
}
