//! The end: from the root down, every page that counts, by its note.

use std::collections::HashMap;

use super::{
    content::{self, Item},
    note::{self, Leaf, Note},
    pages::Pages,
    run::Run,
};
use crate::{
    Contents, Error, Flaw, Result,
    facts::{Facts, WANTED},
    meta::Meta,
    revision::Revision,
};

/// bbolt's trees have at most a handful of levels.
const DEEPEST: usize = 64;

/// One walk.
pub(super) struct Tree<'a> {
    pages: &'a Pages,
    meta: &'a Meta,
    shared: &'a HashMap<u32, Vec<u8>>,
    reached: Vec<u64>,
    facts: Facts,
    /// The buckets with a tree of their own.
    buckets: Vec<(String, u32)>,
    last: Revision,
    live: Option<i64>,
    /// The bucket `key` where it lies within the root.
    small: Option<Run>,
    /// Of the tree that is walked.
    entries: u64,
}

/// Which tree a page is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Root,
    Key,
    Bucket(Option<&'static str>),
}

/// Where a page hangs.
#[derive(Debug, Clone, Copy)]
struct Branch {
    page: u32,
    parent: u32,
    depth: usize,
    of: Of,
    /// The keys in it are not less than this.
    from: Option<Revision>,
    /// And less than this.
    until: Option<Revision>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(pages: &'a Pages, meta: &'a Meta, shared: &'a HashMap<u32, Vec<u8>>) -> Self {
        let words = usize::try_from(meta.pages.div_ceil(64)).unwrap_or(0);
        Self {
            pages,
            meta,
            shared,
            reached: vec![0; words],
            facts: Facts::default(),
            buckets: Vec::new(),
            last: Revision::default(),
            live: Some(0),
            small: None,
            entries: 0,
        }
    }

    /// Walks everything and says what it found.
    pub(super) fn contents(mut self) -> Result<Contents> {
        self.freelist()?;
        self.walk(self.meta.root, 0, Of::Root)?;
        // `key` last: its live keys depend on the last compaction.
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.sort_by_key(|(name, _)| name == "key");
        for (name, root) in buckets {
            let wanted = WANTED.into_iter().find(|wanted| *wanted == name);
            let of = if name == "key" { Of::Key } else { Of::Bucket(wanted) };
            self.entries = 0;
            self.walk(root, self.meta.root, of)?;
            self.facts.count(&name, self.entries);
        }
        if let Some(run) = self.small.take() {
            self.count(&run);
        }
        let is_within = self.facts.scheduled > self.facts.finished;
        let live = self.live.filter(|_| !is_within).and_then(|live| u64::try_from(live).ok());
        self.facts.contents(self.last.main, live)
    }

    fn freelist(&mut self) -> Result<()> {
        let Some(page) = self.meta.freelist else { return Ok(()) };
        match note::read(&self.pages.notes, page) {
            Some((Note::Flawed(Flaw::Kind), _)) => self.reach(page, 0, 0),
            _ => Err(self.flawed(page, Flaw::Kind)),
        }
    }

    fn walk(&mut self, page: u32, parent: u32, of: Of) -> Result<()> {
        self.visit(Branch { page, parent, depth: 0, of, from: None, until: None })
    }

    fn visit(&mut self, branch: Branch) -> Result<()> {
        let Branch { page, parent, depth, .. } = branch;
        if depth > DEEPEST {
            return Err(Error::TooDeep { page: page.into() });
        }
        let pages = self.pages;
        let (note, overflow) =
            note::read(&pages.notes, page).ok_or_else(|| self.flawed(page, Flaw::Absent))?;
        self.reach(page, overflow, parent)?;
        match note {
            Note::Flawed(flaw) => Err(self.flawed(page, flaw)),
            Note::Unread => Err(Error::TooComplex { page: page.into() }),
            Note::Branch(children) => {
                let limits = children.iter().skip(1).map(|child| Some(child.key));
                let limits = limits.chain([branch.until]);
                for (child, until) in children.iter().zip(limits) {
                    let from = Some(child.key);
                    Self::ordered(branch, child.key, child.key)?;
                    let below = Branch {
                        page: child.page,
                        parent: page,
                        depth: depth + 1,
                        from,
                        until,
                        ..branch
                    };
                    self.visit(below)?;
                }
                Ok(())
            }
            Note::Records(run) => self.records(branch, &run),
            Note::Other(leaf, numbers) => self.other(branch, &leaf, numbers),
        }
    }

    /// Checks that the first and last key of a page are those that its parent says.
    fn ordered(branch: Branch, first: Revision, last: Revision) -> Result<()> {
        // Of other keys than revisions only the beginning is known.
        let is_key = branch.of == Of::Key;
        let known = |mark: Revision| if is_key { mark } else { Revision { sub: 0, ..mark } };
        let is_from = branch.from.is_none_or(|from| known(from) <= known(first));
        let is_until = branch.until.is_none_or(|until| {
            known(last) < known(until) || (!is_key && known(last) == known(until))
        });
        let misplaced = Error::Misplaced { page: branch.page.into(), parent: branch.parent.into() };
        if is_from && is_until { Ok(()) } else { Err(misplaced) }
    }

    fn records(&mut self, branch: Branch, run: &Run) -> Result<()> {
        Self::ordered(branch, run.first, run.last)?;
        self.entries += u64::from(run.records);
        match branch.of {
            Of::Root => return Err(self.flawed(branch.page, Flaw::Misfit(0))),
            Of::Bucket(_) => return Ok(()),
            Of::Key => {}
        }
        self.count(run);
        Ok(())
    }

    fn count(&mut self, run: &Run) {
        self.last = self.last.max(run.last);
        let live = run.live(self.facts.finished);
        self.live = self.live.zip(live).map(|(all, these)| all.saturating_add(these));
    }

    fn other(&mut self, branch: Branch, leaf: &Leaf, numbers: &[u8]) -> Result<()> {
        let is_empty = leaf.entries == 0;
        if !is_empty {
            Self::ordered(branch, leaf.first, leaf.last)?;
        }
        match branch.of {
            Of::Root if leaf.is_root || is_empty => {}
            Of::Key if is_empty => return Ok(()),
            Of::Bucket(_) if !leaf.is_root => self.entries += u64::from(leaf.entries),
            Of::Key if !leaf.is_root => {
                return Err(self.flawed(branch.page, leaf.flaw.unwrap_or(Flaw::Record(0))));
            }
            _ => return Err(self.flawed(branch.page, Flaw::Misfit(0))),
        }
        if leaf.shared == 0 {
            return Ok(());
        }
        let too_complex = || Error::TooComplex { page: branch.page.into() };
        let shared = self.shared.get(&leaf.shared).ok_or_else(too_complex)?;
        self.content(branch, content::items(shared, numbers).ok_or_else(too_complex)?)
    }

    fn content(&mut self, branch: Branch, items: Vec<Item<'_>>) -> Result<()> {
        let mut bucket = if let Of::Bucket(wanted) = branch.of { wanted } else { None };
        for item in items {
            match item {
                Item::Tree(name, root) => {
                    let parent = u64::from(branch.page);
                    let page = u32::try_from(root).ok().filter(|page| *page < self.meta.pages);
                    let page = page.ok_or(Error::Outside { page: root, parent })?;
                    self.buckets.push((String::from_utf8_lossy(name).into_owned(), page));
                }
                Item::Inline(name, entries) => {
                    bucket = WANTED.into_iter().find(|wanted| wanted.as_bytes() == name);
                    let name = String::from_utf8_lossy(name);
                    self.facts.count(&name, entries);
                }
                Item::Run(run) => {
                    self.facts.count("key", run.records.into());
                    self.small = Some(run);
                }
                Item::Entry(key, value) => {
                    if let Some(bucket) = bucket {
                        self.facts.take(bucket, key, &value)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes pages for one owner.
    fn reach(&mut self, page: u32, overflow: u32, parent: u32) -> Result<()> {
        for page in page..=page.saturating_add(overflow) {
            let word = usize::try_from(page / 64).ok().and_then(|word| self.reached.get_mut(word));
            let word = word.ok_or(Error::Outside { page: page.into(), parent: parent.into() })?;
            let bit = 1 << (page % 64);
            if *word & bit != 0 {
                return Err(Error::Shared { page: page.into(), parent: parent.into() });
            }
            *word |= bit;
        }
        Ok(())
    }

    fn flawed(&self, page: u32, flaw: Flaw) -> Error {
        let offset = u64::from(page) * u64::from(self.meta.page_size);
        Error::Page { page: page.into(), offset, flaw }
    }
}
