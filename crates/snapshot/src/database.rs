//! A snapshot by random access: for files and objects that are at rest.

mod crc32c;
mod walk;

use std::collections::HashMap;

use crate::{
    Contents, Error, Flaw, MetaFlaw, ReadAt, Result,
    error::Error as E,
    facts::{Facts, WANTED},
    meta::{META_BYTES, Meta},
    revision::{self, Revision},
};
use crc32c::Crc32c;
use walk::{Reason, Visit, Walk};

/// What `etcdutl snapshot status` prints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// CRC-32C of all buckets, keys and values.
    pub hash: u32,
    /// The last revision; 0 where nothing was ever written.
    pub revision: u64,
    /// Entries of all buckets: `totalKey` of etcdutl 3.5.
    pub entries: u64,
    /// Keys that are not deleted: `totalKey` of etcdutl 3.6 and later.
    pub live_keys: u64,
    /// The size of the database without the trailing digest: `totalSize`.
    pub size: u64,
    /// The storage version: `version` of etcdutl 3.6 and later, which print an empty text without.
    pub version: Option<String>,
}

/// One revision of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The key.
    pub key: Vec<u8>,
    /// Its value; empty for a deletion.
    pub value: Vec<u8>,
    /// The revision at which the key came to be; 0 for a deletion.
    pub create_revision: u64,
    /// The revision of this record.
    pub mod_revision: u64,
    /// Which of that revision's changes this is.
    pub sub_revision: u64,
    /// The number of changes since the key came to be; 0 for a deletion.
    pub version: u64,
    /// The lease it hangs on; 0 for none.
    pub lease: i64,
    /// Whether this deletes the key.
    pub is_deletion: bool,
}

/// A database that is read where it lies. Nothing is kept of it but the page at hand.
#[derive(Debug)]
pub struct Database<S> {
    source: S,
    meta: Meta,
}

impl<S: ReadAt> Database<S> {
    /// Reads the meta pages. `size` is that of the file, with the trailing digest or without; a file that
    /// etcd itself works on may be larger than its database.
    pub fn open(source: S, size: u64) -> Result<Self> {
        let meta = newest_meta(&source, size)?;
        if size < meta.size() {
            return Err(Error::Size { expected: meta.size(), found: size });
        }
        Ok(Self { source, meta })
    }

    /// Walks through everything, as `etcdutl snapshot status` does.
    pub fn status(&self) -> Result<Status> {
        let visitor = Walk::new(self, StatusVisit::default()).run()?;
        Ok(Status {
            hash: visitor.crc.finish(),
            live_keys: u64::try_from(visitor.live.len()).unwrap_or(u64::MAX),
            size: self.meta.size(),
            version: visitor.facts.contents(0, None)?.storage_version,
            ..visitor.status
        })
    }

    /// What it holds.
    pub fn contents(&self) -> Result<Contents> {
        let StatusVisit { facts, status, live, .. } =
            Walk::new(self, StatusVisit::default()).run()?;
        facts.contents(status.revision, u64::try_from(live.len()).ok())
    }

    /// Shows every stored revision of every key, oldest first.
    pub fn records(&self, visit: impl FnMut(Record)) -> Result<()> {
        Walk::new(self, Records { visit, is_key: false }).run().map(drop)
    }

    /// Shows every key that is not deleted with its last record, in the order of their revisions. Keeps
    /// all keys in memory, and no values.
    pub fn live(&self, mut visit: impl FnMut(Record)) -> Result<()> {
        let mut last: HashMap<Vec<u8>, (u64, u64)> = HashMap::new();
        self.records(|record| {
            if record.is_deletion {
                last.remove(&record.key);
            } else {
                last.insert(record.key, (record.mod_revision, record.sub_revision));
            }
        })?;
        self.records(|record| {
            let revision = (record.mod_revision, record.sub_revision);
            if !record.is_deletion && last.get(&record.key) == Some(&revision) {
                visit(record);
            }
        })
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.source.read_at(offset, &mut bytes).map_err(|source| E::Read { offset, source })?;
        Ok(bytes)
    }

    fn flawed(&self, page: u64, flaw: Flaw) -> Error {
        Error::Page { page, offset: page * u64::from(self.meta.page_size), flaw }
    }
}

/// The newer of the two that are whole. The second's place follows from the page size, which the first
/// may not tell any more: then it is looked for, as bbolt does.
fn newest_meta(source: &impl ReadAt, size: u64) -> Result<Meta> {
    let read = |offset: u64, id| -> Result<Result<Meta, MetaFlaw>> {
        if offset.saturating_add(u64::try_from(META_BYTES).unwrap_or(u64::MAX)) > size {
            return Err(Error::TooShort { size });
        }
        let mut bytes = [0; META_BYTES];
        source.read_at(offset, &mut bytes).map_err(|source| Error::Read { offset, source })?;
        Ok(Meta::of(&bytes, id))
    };
    let first = read(0, 0)?;
    let places = match &first {
        Ok(meta) => vec![u64::from(meta.page_size)],
        Err(_) => (10..=16).map(|power| 1 << power).collect(),
    };
    let second = places.into_iter().filter_map(|offset| {
        read(offset, 1).ok()?.ok().filter(|meta| u64::from(meta.page_size) == offset)
    });
    // The last of equals is taken, which is the first page as in bbolt (db.go, `DB.meta`).
    let newest = second.chain(first).max_by_key(|meta| meta.transaction);
    newest.ok_or(Error::Meta { page: 0, flaw: first.err().unwrap_or(MetaFlaw::Magic) })
}

/// Everything that [`Status`] and [`Contents`] need.
#[derive(Default)]
struct StatusVisit {
    bucket: Option<&'static str>,
    name: String,
    is_key: bool,
    crc: Crc32c,
    live: std::collections::HashSet<Vec<u8>>,
    status: Status,
    facts: Facts,
}

impl Visit for StatusVisit {
    fn bucket(&mut self, name: &[u8]) -> Result<()> {
        self.crc.update(name);
        self.name = String::from_utf8_lossy(name).into_owned();
        self.is_key = name == b"key";
        self.bucket = WANTED.into_iter().find(|wanted| wanted.as_bytes() == name);
        self.facts.count(&self.name, 0);
        Ok(())
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Reason> {
        self.crc.update(key);
        self.crc.update(value);
        self.status.entries += 1;
        self.facts.count(&self.name, 1);
        if self.is_key {
            let (revision, is_deletion) = Revision::of(key).ok_or(Reason::Record)?;
            let record = revision::record(key, value).ok_or(Reason::Record)?;
            self.status.revision = revision.main;
            if is_deletion {
                self.live.remove(&record.key);
            } else {
                self.live.insert(record.key);
            }
        }
        if let Some(bucket) = self.bucket {
            self.facts.take(bucket, key, value)?;
        }
        Ok(())
    }
}

struct Records<F> {
    visit: F,
    is_key: bool,
}

impl<F: FnMut(Record)> Visit for Records<F> {
    fn bucket(&mut self, name: &[u8]) -> Result<()> {
        self.is_key = name == b"key";
        Ok(())
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Reason> {
        if self.is_key {
            (self.visit)(revision::record(key, value).ok_or(Reason::Record)?);
        }
        Ok(())
    }
}
