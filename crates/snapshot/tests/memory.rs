//! How much memory the checker takes for a gigabyte, made while it is pushed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use snapshot::{Checker, Error};
use support::{
    history::varint,
    writer::{Random, meta},
};

const PAGE: usize = 4096;
/// 1 GiB.
const PAGES: usize = 262_144;

/// How the pages of a stream are made from their number.
type Make = fn(usize, &mut Random) -> Vec<u8>;

/// The memory after all pages, in bytes for each.
fn memory(make: Make) -> Result<usize, Error> {
    let (mut checker, mut random) = (Checker::new(), Random(7));
    for page in 0..2 {
        let mut bytes = meta(PAGE, page, 2, PAGES);
        bytes.resize(PAGE, 0);
        checker.push(&bytes)?;
    }
    for page in 2..PAGES {
        checker.push(&make(page, &mut random))?;
    }
    Ok(checker.memory() / PAGES)
}

fn page(id: usize, flags: u16, elements: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut table = u64::try_from(id).unwrap().to_le_bytes().to_vec();
    table.extend(flags.to_le_bytes());
    table.extend(u16::try_from(elements.len()).unwrap().to_le_bytes());
    table.extend([0; 4]);
    let mut data = Vec::new();
    for (index, (key, value)) in elements.iter().enumerate() {
        let pos = u32::try_from((elements.len() - index) * 16 + data.len()).unwrap();
        let key_size = u32::try_from(key.len()).unwrap();
        if flags == 1 {
            table.extend([pos, key_size].map(u32::to_le_bytes).concat());
            table.extend_from_slice(value);
        } else {
            let value_size = u32::try_from(value.len()).unwrap();
            table.extend([0, pos, key_size, value_size].map(u32::to_le_bytes).concat());
            data.extend(key);
            data.extend(value);
            continue;
        }
        data.extend(key);
    }
    let mut bytes = [table, data].concat();
    assert!(bytes.len() <= PAGE);
    bytes.resize(PAGE, 0);
    bytes
}

fn revision(number: usize) -> Vec<u8> {
    [&u64::try_from(number).unwrap().to_be_bytes()[..], b"_", &[0; 8]].concat()
}

/// A leaf of that many records, of which some are births; revisions as after a billion writes.
fn leaf(id: usize, records: usize, value: usize) -> Vec<u8> {
    let first = 1_000_000_000 + id * records;
    let elements: Vec<_> = (first..first + records)
        .map(|main| {
            let mut record = b"\x0a\x0f/registry/pods/".to_vec();
            for (tag, number) in [(0x10, main - 3), (0x18, main), (0x20, 1 + main % 3)] {
                record.push(tag);
                varint(&mut record, number.try_into().unwrap());
            }
            record.push(0x2a);
            varint(&mut record, value.try_into().unwrap());
            record.resize(record.len() + value, b'v');
            (revision(main), record)
        })
        .collect();
    page(id, 2, &elements)
}

fn branch(id: usize, first: usize, children: usize, last: usize) -> Vec<u8> {
    let child = |n: usize| if n + 1 == children { last } else { 3 + (first + n) % (PAGES - 3) };
    let elements: Vec<_> = (0..children)
        .map(|n| {
            let key = revision(1_000_000_000 + (first + n) * 25);
            (key, u64::try_from(child(n)).unwrap().to_le_bytes().to_vec())
        })
        .collect();
    page(id, 1, &elements)
}

#[test]
fn a_gigabyte_of_ordinary_records_takes_twenty_bytes_a_page() {
    let bytes = memory(|id, _| match id % 100 {
        0 => branch(id, id, 100, id + 1),
        _ => leaf(id, 25, 60),
    });
    assert!(bytes.as_ref().is_ok_and(|&bytes| bytes <= 24), "{bytes:?}");
}

#[test]
fn large_records_take_less() {
    let bytes = memory(|id, _| match id % 100 {
        0 => branch(id, id, 100, id + 1),
        _ => leaf(id, 2, 1500),
    });
    assert!(bytes.as_ref().is_ok_and(|&bytes| bytes <= 20), "{bytes:?}");
}

#[test]
fn the_smallest_records_stay_below_eight_megabytes_a_gigabyte() {
    let bytes = memory(|id, _| match id % 100 {
        0 => branch(id, id, 100, id + 1),
        _ => leaf(id, 53, 1),
    });
    assert!(bytes.as_ref().is_ok_and(|&bytes| bytes <= 32), "{bytes:?}");
}

/// What is left of ten commits a second over days: each page that is free holds the rightmost branch as
/// it once was.
#[test]
fn a_file_of_stale_branches_stays_within_the_limit() {
    let bytes = memory(|id, random| {
        let stale = random.below(10) < 4;
        if stale {
            branch(id, 100 * random.below(50), 20 + random.below(90), id)
        } else {
            leaf(id, 25, 60)
        }
    });
    assert!(bytes.as_ref().is_ok_and(|&bytes| bytes <= 32), "{bytes:?}");
}

#[test]
fn no_stream_makes_it_grow_without_limit() {
    let made: Make = |id, random| branch(id, random.below(PAGES), 110, random.below(PAGES - 3) + 3);
    assert!(matches!(memory(made), Err(Error::TooComplex { .. })));
}

#[test]
fn claims_of_endless_pages_are_not_believed() {
    let bytes = memory(|id, _| {
        let mut page = leaf(id, 2, 1500);
        page[12..16].copy_from_slice(&500u32.to_le_bytes());
        page
    });
    assert!(bytes.as_ref().is_ok_and(|&bytes| bytes <= 32), "{bytes:?}");
}
