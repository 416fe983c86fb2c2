//! A corpus of damaged files: each must be refused for what is wrong with it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use snapshot::{Error, Flaw, MetaFlaw};
use support::{
    checked, contents,
    history::History,
    writer::{Random, Writer, fnv1a, reseal},
};

const PAGE: usize = 4096;

/// A database with branches in the bucket `key`, and no free page.
fn good() -> Vec<u8> {
    let revisions: Vec<_> =
        (0..8000).map(|n| vec![(u8::try_from(n % 200).unwrap(), Some(n % 90))]).collect();
    let bytes =
        Writer::new(PAGE, 0).write(&History::new(&revisions, 2000).buckets(), &mut Random(3));
    assert!(checked(&bytes, PAGE).is_ok());
    bytes
}

fn pages(bytes: &[u8]) -> usize {
    bytes.len() / PAGE
}

fn flags(bytes: &[u8], page: usize) -> u8 {
    bytes[page * PAGE + 8]
}

/// Whether a page is one that a tree consists of, and not one of the free ones at the end.
fn in_use(bytes: &[u8], page: usize) -> bool {
    let mut without = bytes.to_vec();
    without[page * PAGE..(page + 1) * PAGE].fill(0);
    checked(&reseal(without), PAGE).is_err()
}

fn page_with(bytes: &[u8], flag: u8) -> usize {
    (2..pages(bytes)).find(|&page| flags(bytes, page) == flag).unwrap()
}

/// The damage with its digest put right; both readers must refuse it.
fn refused(bytes: Vec<u8>) -> Error {
    let bytes = reseal(bytes);
    assert!(contents(&bytes).is_err());
    checked(&bytes, 10_000).unwrap_err()
}

#[test]
fn any_changed_byte_is_told_by_the_digest_at_least() {
    let good = good();
    for at in (0..good.len()).step_by(997).chain(good.len() - 32..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(checked(&bytes, 32 << 10).is_err(), "byte {at}");
    }
}

#[test]
fn each_byte_of_a_meta_page_is_guarded() {
    for page in 0..2 {
        for at in 0..80 {
            // The count and overflow of a meta page mean nothing.
            if (10..16).contains(&at) {
                continue;
            }
            let mut bytes = good();
            bytes[page * PAGE + at] ^= 1;
            let error = checked(&reseal(bytes), PAGE).unwrap_err();
            assert_eq!(error.reason(), "MetaDamaged", "page {page}, byte {at}: {error}");
        }
    }
}

#[test]
fn each_byte_of_every_header_is_guarded() {
    let good = good();
    for page in (2..pages(&good)).filter(|&page| in_use(&good, page)) {
        for at in 0..16 {
            let mut bytes = good.clone();
            bytes[page * PAGE + at] ^= 1;
            let error = checked(&reseal(bytes), PAGE).unwrap_err();
            let is_named = match error {
                Error::Page { page: named, .. } => named == u64::try_from(page).unwrap(),
                // It claims the page after it.
                Error::Shared { .. } => at >= 12,
                _ => false,
            };
            assert!(is_named, "page {page}, byte {at}: {error}");
        }
    }
}

#[test]
fn each_byte_of_an_element_table_is_guarded() {
    let good = good();
    for flag in [1, 2] {
        let page = page_with(&good, flag);
        // Not the last: only the end of the page limits it.
        let guarded = usize::from(good[page * PAGE + 10]) - 1;
        for at in 16..16 + guarded.min(10) * 16 {
            let mut bytes = good.clone();
            bytes[page * PAGE + at] ^= 0x40;
            let bytes = reseal(bytes);
            assert!(checked(&bytes, PAGE).is_err(), "page {page} of kind {flag}, byte {at}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_short() {
    let good = good();
    let size = good.len();
    let cuts = [0, 1, 79, 80, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 12289, size / 2];
    for cut in cuts.into_iter().chain([size - 4128, size - 33, size - 32, size - 31, size - 1]) {
        let error = checked(&good[..cut], PAGE).unwrap_err();
        assert_eq!(error.reason(), "WrongSize", "cut to {cut}: {error}");
    }
    for longer in [1, 31, 32, PAGE, 2 * PAGE + 5] {
        let bytes = [&good[..], &vec![0; longer]].concat();
        assert_eq!(checked(&bytes, PAGE).unwrap_err().reason(), "WrongSize", "{longer} more");
    }
}

#[test]
fn pages_that_changed_places_are_named() {
    let good = good();
    for (one, other) in [(2, 3), (4, pages(&good) - 1), (5, 9)] {
        let mut bytes = good.clone();
        let moved = bytes[one * PAGE..(one + 1) * PAGE].to_vec();
        bytes.copy_within(other * PAGE..(other + 1) * PAGE, one * PAGE);
        bytes[other * PAGE..(other + 1) * PAGE].copy_from_slice(&moved);
        let error = refused(bytes);
        assert!(matches!(error, Error::Page { flaw: Flaw::Absent, .. }), "{error}");
    }
}

#[test]
fn a_page_with_the_bytes_of_another_is_out_of_place() {
    let good = good();
    let leaf = |bytes: &[u8], page: usize| {
        flags(bytes, page) == 2 && bytes[page * PAGE + 10] > 20 && bytes[page * PAGE + 11] == 0
    };
    let mut leaves = (2..pages(&good)).filter(|&page| leaf(&good, page));
    let (one, other) = (leaves.next().unwrap(), leaves.next().unwrap());
    let mut bytes = good.clone();
    // All but the number in its header.
    bytes.copy_within(other * PAGE + 8..(other + 1) * PAGE, one * PAGE + 8);
    let error = refused(bytes);
    assert!(matches!(error, Error::Misplaced { .. } | Error::Page { .. }), "{error}");
}

/// The element of a branch that names its child.
fn child_at(page: usize, element: usize) -> std::ops::Range<usize> {
    let start = page * PAGE + 16 + element * 16 + 8;
    start..start + 8
}

#[test]
fn a_child_named_twice_or_in_a_circle_or_outside_is_refused() {
    let good = good();
    let branch = page_with(&good, 1);
    let twice = good[child_at(branch, 0)].to_vec();
    let mut bytes = good.clone();
    bytes[child_at(branch, 1)].copy_from_slice(&twice);
    let error = checked(&reseal(bytes), PAGE).unwrap_err();
    assert!(matches!(error, Error::Shared { .. } | Error::Misplaced { .. }), "{error}");

    let mut bytes = good.clone();
    bytes[child_at(branch, 0)].copy_from_slice(&u64::try_from(branch).unwrap().to_le_bytes());
    let error = refused(bytes);
    assert!(matches!(error, Error::Shared { .. }), "{error}");

    for outside in [0, 1, pages(&good), usize::MAX] {
        let mut bytes = good.clone();
        bytes[child_at(branch, 1)].copy_from_slice(&u64::try_from(outside).unwrap().to_le_bytes());
        let error = refused(bytes);
        assert!(matches!(error, Error::Page { flaw: Flaw::Child(1), .. }), "{error}");
    }
}

#[test]
fn two_buckets_in_one_tree_are_refused() {
    let good = good();
    // The roots of the buckets with trees of their own stand in the root's leaf: `key` and `lease`.
    let root = u64::from_le_bytes(good[32..40].try_into().unwrap());
    let start = usize::try_from(root).unwrap() * PAGE;
    let element = |name: &[u8]| {
        let at = good[start..start + PAGE].windows(name.len() + 1).position(|bytes| {
            bytes[..name.len()] == *name
                && usize::from(bytes[name.len()]) < pages(&good)
                && bytes[name.len()] > 1
        });
        start + at.unwrap() + name.len()
    };
    let (key, lease) = (element(b"key"), element(b"lease"));
    let mut bytes = good.clone();
    bytes.copy_within(key..key + 8, lease);
    assert!(matches!(refused(bytes), Error::Shared { .. }));
}

#[test]
fn an_unlikely_meta_is_refused_in_words() {
    for (at, value, expected) in [
        (16 + 4, 3, MetaFlaw::Version(3)),
        (16 + 8, 4097, MetaFlaw::PageSize(4097)),
        (16 + 16, 1, MetaFlaw::Range),
        (16 + 40, 2, MetaFlaw::Range),
    ] {
        let mut bytes = good();
        bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        let checksum = fnv1a(&bytes[16..72]);
        bytes[72..80].copy_from_slice(&checksum.to_le_bytes());
        let error = checked(&reseal(bytes), PAGE).unwrap_err();
        assert!(matches!(error, Error::Meta { page: 0, flaw } if flaw == expected), "{error}");
    }
}
