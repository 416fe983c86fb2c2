//! The children of a branch page in a few bytes.
//!
//! A database with free space is full of stale branches: every commit writes the rightmost ones anew with
//! one child changed, and leaves the older where they are until their pages are used again. Only the end
//! tells which one counts. So branches that begin with the same key are a family: the first of it is
//! noted whole, the others as what differs from it.

use std::collections::HashMap;

use super::notes::{Notes, Place};
use crate::{
    revision::Revision,
    varint::{Cursor, put, put_size},
};

/// Above this, families are given up: 2 MB, and more than a database of 10 GB has.
const MOST_FAMILIES: usize = 1 << 16;
/// A child that differs costs about as much as two more families' members.
const MOST_DIFFERENT: usize = 16;

/// A child: its page, and the key that its parent says it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) page: u32,
    pub(super) key: Revision,
}

/// The first of each family, by its first key.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<Revision, Place>);

/// How the children were noted.
pub(super) enum Form {
    Whole,
    Difference,
}

impl Families {
    /// Appends the children's note to `into`.
    pub(super) fn put(&self, children: &[Child], notes: &Notes, into: &mut Vec<u8>) -> Form {
        let first = children.first().and_then(|child| self.0.get(&child.key));
        let Some((&place, base)) = first.and_then(|place| Some((place, whole_at(notes, *place)?)))
        else {
            put_all(children, into);
            return Form::Whole;
        };
        let same = |(a, b): &(&Child, &Child)| a == b;
        let prefix = base.iter().zip(children).take_while(same).count();
        let (base_rest, rest) = (base.iter().skip(prefix), children.iter().skip(prefix));
        let suffix = base_rest.rev().zip(rest.rev()).take_while(same).count();
        let middle = children.get(prefix..children.len() - suffix).unwrap_or_default();
        if middle.len() > MOST_DIFFERENT {
            put_all(children, into);
            return Form::Whole;
        }
        put(into, place);
        put_size(into, prefix);
        put_size(into, suffix);
        put_all(middle, into);
        Form::Difference
    }

    /// A whole note is the one that the next of its family is compared with.
    pub(super) fn found(&mut self, children: &[Child], place: Place) {
        let Some(Child { key, .. }) = children.first() else { return };
        if self.0.len() < MOST_FAMILIES || self.0.contains_key(key) {
            self.0.insert(*key, place);
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * (size_of::<(Revision, Place)>() + 1) * 8 / 7
    }
}

fn put_all(children: &[Child], into: &mut Vec<u8>) {
    put_size(into, children.len());
    let mut last = Child { page: 0, key: Revision::default() };
    for child in children {
        let step = i64::from(child.page) - i64::from(last.page);
        put(into, (step << 1 ^ step >> 63).cast_unsigned());
        put(into, child.key.main.wrapping_sub(last.key.main));
        put(into, child.key.sub);
        last = *child;
    }
}

fn read_all(cursor: &mut Cursor<'_>) -> Option<Vec<Child>> {
    let count: u16 = cursor.number()?;
    let mut children = Vec::with_capacity(usize::from(count));
    let mut last = Child { page: 0, key: Revision::default() };
    for _ in 0..count {
        let step = cursor.varint()?;
        let step = (step >> 1).cast_signed() ^ -(step & 1).cast_signed();
        let page = u32::try_from(i64::from(last.page).checked_add(step)?).ok()?;
        let main = last.key.main.wrapping_add(cursor.varint()?);
        last = Child { page, key: Revision { main, sub: cursor.varint()? } };
        children.push(last);
    }
    Some(children)
}

/// A whole note without its head, as families remember it.
fn whole_at(notes: &Notes, place: Place) -> Option<Vec<Child>> {
    read_all(&mut Cursor::new(notes.at(place)?))
}

pub(super) fn read(form: &Form, cursor: &mut Cursor<'_>, notes: &Notes) -> Option<Vec<Child>> {
    match form {
        Form::Whole => read_all(cursor),
        Form::Difference => {
            let mut base = whole_at(notes, cursor.number()?)?;
            let (prefix, suffix): (usize, usize) = (cursor.number()?, cursor.number()?);
            let middle = read_all(cursor)?;
            let end = base.len().checked_sub(suffix).filter(|&end| prefix <= end)?;
            base.splice(prefix..end, middle);
            Some(base)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(pages: impl IntoIterator<Item = u32>) -> Vec<Child> {
        let key = |n: usize| Revision { main: 1000 + u64::try_from(n).unwrap() * 9, sub: 2 };
        pages.into_iter().enumerate().map(|(n, page)| Child { page, key: key(n) }).collect()
    }

    #[test]
    fn all_of_a_family_are_read_back_and_the_later_are_short() {
        let (mut notes, mut families) = (Notes::default(), Families::default());
        let mut family: Vec<_> = (60..75).map(|count| children((0..count).chain([900]))).collect();
        // A child written anew in the middle, one gone, and one that has nothing in common.
        family.push(children((0..20).chain([777]).chain(21..60).chain([900])));
        family.push(children((0..59).chain([900])));
        family.push(children(2000..2100));
        for children in family {
            let mut note = vec![0];
            let form = families.put(&children, &notes, &mut note);
            notes.begin_page();
            let place = notes.keep(0, &note).unwrap();
            if let Form::Whole = form {
                families.found(&children, place + 1);
            } else {
                assert!(note.len() < 80, "{}", note.len());
            }
            let mut cursor = Cursor::new(&notes.at(place).unwrap()[1..]);
            assert_eq!(read(&form, &mut cursor, &notes), Some(children));
        }
    }
}
