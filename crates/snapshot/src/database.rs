//! A snapshot by random access.

use crate::{Contents, ReadAt, Result};

/// What `etcdutl snapshot status` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Which of the record's revision's changes this is.
    pub sub_revision: u64,
    /// The number of changes since the key came to be; 0 for a deletion.
    pub version: u64,
    /// The lease it hangs on; 0 for none.
    pub lease: i64,
    /// Whether this deletes the key.
    pub is_deletion: bool,
}

/// A database that is read where it lies.
#[derive(Debug)]
pub struct Database<S> {
    source: S,
    size: u64,
}

impl<S: ReadAt> Database<S> {
    /// Reads the meta pages. `size` is that of the file, with the trailing digest or without.
    pub fn open(source: S, size: u64) -> Result<Self> {
        Ok(Self { source, size })
    }

    /// Walks through everything, as `etcdutl snapshot status` does.
    pub fn status(&self) -> Result<Status> {
        let _ = (&self.source, self.size);
        Err(crate::Error::Digest)
    }

    /// What it holds.
    pub fn contents(&self) -> Result<Contents> {
        Err(crate::Error::Digest)
    }

    /// Shows every stored revision of every key, oldest first.
    pub fn records(&self, _visit: impl FnMut(Record)) -> Result<()> {
        Err(crate::Error::Digest)
    }

    /// Shows every key that is not deleted with its last record, in the order of their revisions.
    pub fn live(&self, _visit: impl FnMut(Record)) -> Result<()> {
        Err(crate::Error::Digest)
    }
}
