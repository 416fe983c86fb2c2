//! One pass over a snapshot while it streams by: whole or damaged, and what it holds.
//!
//! ```text
//! push ──▶ SHA-256 of everything
//!      └─▶ pages: each read once and noted in a few bytes ─▶ finish: from the root down by the notes
//! ```
//!
//! No byte is kept but the notes: 20 bytes or so for a page, and never more than 32 on average and 4 MB
//! besides. What is not reachable from the newer meta page is neither wrong nor counted: it may be the
//! past, or a future that the snapshot does not have.

mod children;
mod content;
mod note;
mod notes;
mod pages;
mod records;
mod run;
mod scan;
mod spread;
mod tree;

use sha2::{Digest as _, Sha256};

use crate::{
    Contents, Error, MetaFlaw, Result,
    meta::{META_BYTES, Meta},
};
use pages::Pages;
use tree::Tree;

/// The SHA-256 that etcd appends.
const DIGEST: usize = 32;

/// What a whole snapshot was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// All bytes, with the trailing digest.
    pub size: u64,
    /// SHA-256 of all bytes, with the trailing digest.
    pub sha256: [u8; 32],
    /// What it holds.
    pub contents: Contents,
}

/// Checks a snapshot in the order of its bytes, in pieces of any size.
#[derive(Debug, Default)]
pub struct Checker {
    hasher: Sha256,
    size: u64,
    /// The beginning of a page that has not come whole.
    part: Vec<u8>,
    /// From when the first meta is known.
    pages: Option<Pages>,
    page_size: usize,
    metas: Vec<Meta>,
}

impl Checker {
    /// A checker that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, as many as there are. After an error there is nothing left to learn.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut rest = bytes;
        if self.pages.is_none() {
            rest = self.fill(META_BYTES, rest);
            if self.part.len() < META_BYTES {
                return Ok(());
            }
            self.begin()?;
        }
        if !self.part.is_empty() {
            rest = self.fill(self.page_size, rest);
            if self.part.len() < self.page_size {
                return Ok(());
            }
            let part = std::mem::take(&mut self.part);
            self.take(&part)?;
            self.part = part;
            self.part.clear();
        }
        let whole = rest.len() - rest.len() % self.page_size.max(1);
        let (pages, part) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        self.take(pages)?;
        self.part.extend_from_slice(part);
        Ok(())
    }

    /// Moves bytes into the part until it has that many, and gives the rest.
    fn fill<'a>(&mut self, length: usize, bytes: &'a [u8]) -> &'a [u8] {
        let missing = length.saturating_sub(self.part.len()).min(bytes.len());
        let (first, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.part.extend_from_slice(first);
        rest
    }

    fn begin(&mut self) -> Result<()> {
        let meta = Meta::of(&self.part, 0).map_err(|flaw| Error::Meta { page: 0, flaw })?;
        self.page_size = usize::try_from(meta.page_size).unwrap_or(0);
        self.pages = Some(Pages::new(self.page_size, meta.pages));
        Ok(())
    }

    /// Takes whole pages.
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        for page in bytes.chunks_exact(self.page_size.max(1)) {
            let Some(pages) = &mut self.pages else { break };
            if let id @ (0 | 1) = pages.seen() {
                let meta = Meta::of(page, id.into());
                self.metas.push(meta.map_err(|flaw| Error::Meta { page: id.into(), flaw })?);
            } else if self.metas.first().is_some_and(|meta| pages.seen() >= meta.pages) {
                return Err(self.wrong_size());
            }
            pages.push(page)?;
            if pages.seen() == 2 {
                self.newest()?;
            }
        }
        Ok(())
    }

    fn wrong_size(&self) -> Error {
        let database = self.metas.iter().map(Meta::size).max().unwrap_or(0);
        let digest = u64::try_from(DIGEST).unwrap_or(0);
        Error::Size { expected: database.saturating_add(digest), found: self.size }
    }

    /// Both metas of a stream are of one transaction: etcd writes the second with a number less.
    fn newest(&self) -> Result<Meta> {
        let [first, second] = self.metas.as_slice() else {
            return Err(Error::TooShort { size: self.size });
        };
        let is_same = Meta { transaction: first.transaction.wrapping_sub(1), ..*first } == *second;
        if is_same {
            Ok(*first)
        } else {
            Err(Error::Meta { page: 1, flaw: MetaFlaw::Contradiction })
        }
    }

    /// Says what it was, once all bytes were pushed. `size` and `sha256` are those of the file that
    /// `etcdctl snapshot save` writes.
    pub fn finish(mut self) -> Result<Checked> {
        let meta = self.newest()?;
        let Some(mut pages) = self.pages.take() else {
            return Err(Error::TooShort { size: self.size });
        };
        if pages.seen() != meta.pages || self.part.len() != DIGEST {
            return Err(self.wrong_size());
        }
        if self.hasher.clone().finalize().as_slice() != self.part {
            return Err(Error::Digest);
        }
        self.hasher.update(&self.part);
        let shared = std::mem::take(&mut pages.shared).into_parts();
        let contents = Tree::new(&pages, &meta, &shared).contents()?;
        Ok(Checked { size: self.size, sha256: self.hasher.finalize().into(), contents })
    }

    /// The bytes of memory that it holds.
    pub fn memory(&self) -> usize {
        self.part.capacity() + self.pages.as_ref().map_or(0, Pages::memory)
    }
}
