//! Writes bbolt files: a tree for each bucket, its pages anywhere, and anything on the free ones.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// Buckets with their entries, in order.
pub type Buckets = BTreeMap<Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>>;

/// Numbers that look random, the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

enum Value {
    Bytes(Vec<u8>),
    /// The bucket whose tree begins at that node.
    Bucket(usize),
    Inline(Vec<u8>),
}

enum Node {
    Leaf(Vec<(Vec<u8>, Value)>),
    Branch(Vec<(Vec<u8>, usize)>),
}

/// The layout of one file.
pub struct Writer {
    pub page_size: usize,
    /// Free pages for every ten that are used.
    pub free: usize,
    nodes: Vec<Node>,
}

impl Writer {
    pub fn new(page_size: usize, free: usize) -> Self {
        Self { page_size, free, nodes: Vec::new() }
    }

    /// A whole snapshot, its digest included.
    pub fn write(mut self, buckets: &Buckets, random: &mut Random) -> Vec<u8> {
        let root: Vec<_> =
            buckets.iter().map(|(name, entries)| (name.clone(), self.bucket(entries))).collect();
        let root = self.tree(root);
        let mut order: Vec<_> = (0..self.nodes.len()).collect();
        for index in 1..order.len() {
            order.swap(index, random.below(index + 1));
        }
        let mut ids = vec![0; self.nodes.len()];
        let mut next = 2;
        for node in order {
            next += if random.below(10) < self.free { 1 + random.below(3) } else { 0 };
            ids[node] = next;
            next += self.node(node, &ids).len() / self.page_size;
        }
        let total = next + random.below(3);
        let mut file = self.free_pages(total, &ids, random);
        for (node, &id) in ids.iter().enumerate() {
            let bytes = self.node(node, &ids);
            file[id * self.page_size..][..bytes.len()].copy_from_slice(&bytes);
        }
        for page in 0..2 {
            let meta = meta(self.page_size, page, ids[root], total);
            file[page * self.page_size..][..meta.len()].copy_from_slice(&meta);
        }
        seal(file)
    }

    fn bucket(&mut self, entries: &[(Vec<u8>, Vec<u8>)]) -> Value {
        let size: usize = entries.iter().map(|(key, value)| 16 + key.len() + value.len()).sum();
        let entries = entries.iter().cloned().map(|(key, value)| (key, Value::Bytes(value)));
        if 16 + size <= self.page_size / 4 {
            Value::Inline(serialize_leaf(0, &entries.collect::<Vec<_>>(), &[]))
        } else {
            Value::Bucket(self.tree(entries.collect()))
        }
    }

    fn tree(&mut self, entries: Vec<(Vec<u8>, Value)>) -> usize {
        let mut level = Vec::new();
        let size = |(key, value): &(Vec<u8>, Value)| {
            16 + key.len()
                + match value {
                    Value::Bytes(bytes) => bytes.len(),
                    Value::Bucket(_) => 16,
                    Value::Inline(bytes) => bytes.len() + 16,
                }
        };
        for leaf in self.split(entries, size) {
            let first = leaf.first().map(|(key, _)| key.clone()).unwrap_or_default();
            level.push((first, self.add(Node::Leaf(leaf))));
        }
        while level.len() > 1 {
            let mut above = Vec::new();
            for branch in self.split(level, |(key, _)| 16 + key.len()) {
                let first = branch[0].0.clone();
                above.push((first, self.add(Node::Branch(branch))));
            }
            level = above;
        }
        level.first().map_or_else(|| self.add(Node::Leaf(Vec::new())), |(_, node)| *node)
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// As bbolt does: at least two elements on a page, more as long as they fit.
    fn split<T>(&self, elements: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
        let mut parts: Vec<Vec<T>> = Vec::new();
        let mut used = 0;
        for element in elements {
            used += size(&element);
            match parts.last_mut() {
                Some(part) if part.len() < 2 || used <= self.page_size => part.push(element),
                _ => {
                    used = 16 + size(&element);
                    parts.push(vec![element]);
                }
            }
        }
        parts
    }

    fn node(&self, node: usize, ids: &[usize]) -> Vec<u8> {
        let mut bytes = match &self.nodes[node] {
            Node::Leaf(entries) => serialize_leaf(ids[node], entries, ids),
            Node::Branch(children) => serialize_branch(ids[node], children, ids),
        };
        bytes.resize(bytes.len().next_multiple_of(self.page_size), 0);
        let overflow = u32::try_from(bytes.len() / self.page_size - 1).unwrap();
        bytes[12..16].copy_from_slice(&overflow.to_le_bytes());
        bytes
    }

    /// Zeros, noise, and pages that were in use once: their header is right, their overflow may be too.
    fn free_pages(&self, total: usize, ids: &[usize], random: &mut Random) -> Vec<u8> {
        let mut file = Vec::new();
        for id in 0..total {
            let mut page = match random.below(4) {
                0 => vec![0; self.page_size],
                1 => random.bytes(self.page_size),
                _ => self.node(random.below(self.nodes.len()), ids)[..self.page_size].to_vec(),
            };
            if random.below(3) > 0 {
                page[..8].copy_from_slice(&u64::try_from(id).unwrap().to_le_bytes());
            }
            file.extend(page);
        }
        file
    }
}

fn header(id: usize, flags: u16, count: usize) -> Vec<u8> {
    let mut bytes = u64::try_from(id).unwrap().to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(u16::try_from(count).unwrap().to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

fn u32_bytes(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

fn serialize_leaf(id: usize, entries: &[(Vec<u8>, Value)], ids: &[usize]) -> Vec<u8> {
    let (mut table, mut data) = (header(id, 2, entries.len()), Vec::new());
    for (index, (key, value)) in entries.iter().enumerate() {
        let (flags, value) = match value {
            Value::Bytes(bytes) => (0u32, bytes.clone()),
            Value::Bucket(node) => {
                (1, [&u64::try_from(ids[*node]).unwrap().to_le_bytes()[..], &[0; 8]].concat())
            }
            Value::Inline(page) => (1, [&[0; 16][..], page].concat()),
        };
        table.extend(flags.to_le_bytes());
        table.extend(u32_bytes((entries.len() - index) * 16 + data.len()));
        table.extend(u32_bytes(key.len()));
        table.extend(u32_bytes(value.len()));
        data.extend_from_slice(key);
        data.extend(value);
    }
    [table, data].concat()
}

fn serialize_branch(id: usize, children: &[(Vec<u8>, usize)], ids: &[usize]) -> Vec<u8> {
    let (mut table, mut data) = (header(id, 1, children.len()), Vec::new());
    for (index, (key, child)) in children.iter().enumerate() {
        table.extend(u32_bytes((children.len() - index) * 16 + data.len()));
        table.extend(u32_bytes(key.len()));
        table.extend(u64::try_from(ids[*child]).unwrap().to_le_bytes());
        data.extend_from_slice(key);
    }
    [table, data].concat()
}

/// A meta page as etcd streams it.
pub fn meta(page_size: usize, page: usize, root: usize, total: usize) -> Vec<u8> {
    let mut meta = Vec::new();
    meta.extend(0xED0C_DAEDu32.to_le_bytes());
    meta.extend(2u32.to_le_bytes());
    meta.extend(u32_bytes(page_size));
    meta.extend([0; 4]);
    for number in [root, 0, usize::MAX, total, 1000 - page] {
        meta.extend(u64::try_from(number).unwrap().to_le_bytes());
    }
    let checksum = fnv1a(&meta);
    meta.extend(checksum.to_le_bytes());
    [header(page, 4, 0), meta].concat()
}

pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Appends the digest.
pub fn seal(mut database: Vec<u8>) -> Vec<u8> {
    let digest = Sha256::digest(&database);
    database.extend_from_slice(&digest);
    database
}

/// Replaces the digest by the right one.
pub fn reseal(mut snapshot: Vec<u8>) -> Vec<u8> {
    snapshot.truncate(snapshot.len() - 32);
    seal(snapshot)
}
