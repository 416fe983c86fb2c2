//! Keys and values of etcd's bucket `key`.
//!
//! A key is a revision: its number, `_`, which change of that revision it is, and `t` where it deletes;
//! both numbers big-endian. A value is a `mvccpb.KeyValue`: 1 key, 2 create revision, 3 mod revision,
//! 4 version, 5 value, 6 lease. Sources: etcd's `server/storage/mvcc/revision.go`, `api/mvccpb/kv.proto`.

use crate::{database::Record, varint::Cursor};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Revision {
    pub(crate) main: u64,
    pub(crate) sub: u64,
}

impl Revision {
    /// The revision in a key, and whether it deletes.
    pub(crate) fn of(key: &[u8]) -> Option<(Self, bool)> {
        let (main, rest) = key.split_first_chunk()?;
        let (b"_", rest) = rest.split_at_checked(1)? else { return None };
        let (sub, mark) = rest.split_first_chunk()?;
        let revision = Self { main: u64::from_be_bytes(*main), sub: u64::from_be_bytes(*sub) };
        // etcd's numbers are signed.
        let is_positive = (revision.main | revision.sub) >> 63 == 0;
        let is_deletion = match mark {
            b"" => false,
            b"t" => true,
            _ => return None,
        };
        is_positive.then_some((revision, is_deletion))
    }
}

/// Reads a value whole.
pub(crate) fn record(key: &[u8], value: &[u8]) -> Option<Record> {
    let (revision, is_deletion) = Revision::of(key)?;
    let mut record = Record {
        mod_revision: revision.main,
        sub_revision: revision.sub,
        is_deletion,
        ..Record::default()
    };
    let mut cursor = Cursor::new(value);
    while !cursor.is_empty() {
        match cursor.varint()? {
            0x0a => record.key = cursor.text()?.to_vec(),
            0x10 => record.create_revision = cursor.varint()?,
            // Said by the key already.
            0x18 => drop(cursor.varint().filter(|&number| number == revision.main)?),
            0x20 => record.version = cursor.varint()?,
            0x2a => record.value = cursor.text()?.to_vec(),
            0x30 => record.lease = cursor.varint()?.cast_signed(),
            tag if tag >> 3 > 6 => break,
            _ => return None,
        }
    }
    Some(record)
}
