//! Histories of keys, as etcd stores them: with the compactions that remove what nobody can read.

use std::collections::{BTreeMap, BTreeSet};

use super::writer::Buckets;

/// What one revision does: to which key, a put of that many bytes or a deletion.
pub type Change = (u8, Option<u16>);

struct Row {
    main: u64,
    sub: u64,
    key: u8,
    /// None for a deletion.
    put: Option<(u64, u64, u16)>,
}

/// A database of etcd with that history, compacted at `compact`.
pub struct History {
    rows: Vec<Row>,
    pub compact: u64,
    pub last: u64,
    pub live: u64,
}

impl History {
    /// Each revision is one or several changes, of each key at most one.
    pub fn new(revisions: &[Vec<Change>], compact: u64) -> Self {
        let (mut rows, mut alive) = (Vec::new(), BTreeMap::<u8, (u64, u64)>::new());
        let mut main = 1;
        for changes in revisions {
            let (mut seen, mut sub) = (BTreeSet::new(), 0);
            for &(key, put) in changes {
                if !seen.insert(key) || (put.is_none() && !alive.contains_key(&key)) {
                    continue;
                }
                main += u64::from(sub == 0);
                let put = put.map(|size| {
                    let state = alive.entry(key).or_insert((main, 0));
                    state.1 += 1;
                    (state.0, state.1, size)
                });
                if put.is_none() {
                    alive.remove(&key);
                }
                rows.push(Row { main, sub, key, put });
                sub += 1;
            }
        }
        let compact = compact.min(main);
        let live = u64::try_from(alive.len()).unwrap();
        let mut history = Self { rows, compact, last: main, live };
        history.remove_compacted();
        history
    }

    /// Up to the compaction stays the last record of each key, unless it is an earlier deletion.
    fn remove_compacted(&mut self) {
        let compact = self.compact;
        let mut last = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.main <= compact) {
            last.insert(row.key, (row.main, row.put.is_some()));
        }
        self.rows.retain(|row| {
            let kept =
                |&(main, is_put): &(u64, bool)| main == row.main && (is_put || main == compact);
            row.main > compact || last.get(&row.key).is_some_and(kept)
        });
    }

    pub fn buckets(&self) -> Buckets {
        let mut buckets = Buckets::new();
        let rows = self.rows.iter().map(|row| (row.bucket_key(), row.value()));
        buckets.insert(b"key".to_vec(), rows.collect());
        let mut meta = vec![(b"consistent_index".to_vec(), 4711u64.to_be_bytes().to_vec())];
        if self.compact > 0 {
            for name in ["finishedCompactRev", "scheduledCompactRev"] {
                meta.push((name.into(), bucket_key(self.compact, 0)));
            }
        }
        meta.push((b"storageVersion".to_vec(), b"3.6.0".to_vec()));
        meta.push((b"term".to_vec(), 7u64.to_be_bytes().to_vec()));
        buckets.insert(b"meta".to_vec(), meta);
        let member = br#"{"id":255,"peerURLs":["http://quince"],"name":"quince"}"#;
        buckets.insert(b"members".to_vec(), vec![(b"ff".to_vec(), member.to_vec())]);
        // Looks like a revision at first.
        let users = ["operator_12345678", "operator_12345679", "quince"].map(|name| {
            (
                name.into(),
                [&[0x0a, u8::try_from(name.len()).unwrap()][..], name.as_bytes(), b"\x12\x01x"]
                    .concat(),
            )
        });
        buckets.insert(b"authUsers".to_vec(), users.to_vec());
        let leases = (0u64..300).map(|id| (id.to_be_bytes().to_vec(), vec![8, 1, 16, 60]));
        buckets.insert(b"lease".to_vec(), leases.collect());
        buckets.insert(b"alarm".to_vec(), Vec::new());
        buckets
    }
}

fn bucket_key(main: u64, sub: u64) -> Vec<u8> {
    [&main.to_be_bytes()[..], b"_", &sub.to_be_bytes()].concat()
}

impl Row {
    fn bucket_key(&self) -> Vec<u8> {
        let mut key = bucket_key(self.main, self.sub);
        key.extend(self.put.is_none().then_some(b't'));
        key
    }

    fn value(&self) -> Vec<u8> {
        let mut value = vec![0x0a, 5];
        value.extend(format!("key{:02x}", self.key).bytes());
        if let Some((created, version, size)) = self.put {
            for (tag, number) in [(0x10, created), (0x18, self.main), (0x20, version)] {
                value.push(tag);
                varint(&mut value, number);
            }
            value.push(0x2a);
            varint(&mut value, size.into());
            value.extend(vec![b'v'; size.into()]);
        }
        value
    }
}

pub fn varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).unwrap());
}
