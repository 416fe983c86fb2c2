//! Files with random trees, histories and free pages, and what random damage does to them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use proptest::{collection::vec, option, prelude::*, sample::Index};
use snapshot::{Checker, Database};
use support::{
    checked, contents,
    history::{Change, History},
    writer::{Random, Writer, reseal},
};

fn revisions() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let size = prop_oneof![8 => 0u16..60, 2 => 0u16..2000, 1 => 0u16..60000];
    let one: BoxedStrategy<Change> = (0u8..30, option::weighted(0.8, size)).boxed();
    vec(prop_oneof![5 => vec(one.clone(), 1), 1 => vec(one, 1..6)], 0..400)
}

fn page_sizes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1024), Just(4096), Just(16384)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_read_whole_by_both(
        revisions in revisions(), compact in 0u64..400, page_size in page_sizes(), free in 0usize..8,
        seed: u64, piece in 1usize..9000,
    ) {
        let history = History::new(&revisions, compact);
        let bytes = Writer::new(page_size, free).write(&history.buckets(), &mut Random(seed));
        let checked = checked(&bytes, piece).unwrap();
        let is_single = revisions.iter().all(|changes| changes.len() < 2);
        let read = contents(&bytes).unwrap();
        prop_assert_eq!(read.live_keys, Some(history.live));
        // With transactions, a leaf of many small records may be more than it remembers.
        let live_keys = if is_single { read.live_keys } else { checked.contents.live_keys };
        prop_assert!(live_keys.is_none_or(|keys| keys == history.live));
        prop_assert_eq!(&checked.contents, &snapshot::Contents { live_keys, ..read });
        let found = &checked.contents;
        prop_assert_eq!(found.revision, history.last);
        prop_assert_eq!(found.compact_revision, history.compact);
        prop_assert_eq!(found.raft_applied_index, 4711);
        prop_assert_eq!(found.members.len(), 1);
        prop_assert_eq!(found.buckets["lease"], 300);
        prop_assert_eq!(found.buckets["authUsers"], 3);
    }

    #[test]
    fn damage_anywhere_is_found_and_never_panics(
        revisions in revisions(), page_size in page_sizes(), seed: u64, bit in 0u8..8, at: Index,
    ) {
        let history = History::new(&revisions, 50);
        let mut bytes = Writer::new(page_size, 3).write(&history.buckets(), &mut Random(seed));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(checked(&bytes, 8192).is_err());
        // Without the digest's help only the structure can tell, and both must agree on what it tells.
        agree(&reseal(bytes));
    }

    #[test]
    fn many_changes_of_what_structures_consist_of_never_panic(
        revisions in revisions(), seed: u64, changes in vec((any::<Index>(), 0usize..64, any::<u8>()), 1..20),
    ) {
        let history = History::new(&revisions, 50);
        let mut bytes = Writer::new(1024, 3).write(&history.buckets(), &mut Random(seed));
        let pages = bytes.len() / 1024;
        for (page, at, value) in changes {
            // The metas' checksum would stop everything: they have tests of their own.
            let page = page.index(pages).max(2).min(pages - 1);
            bytes[page * 1024 + at] = value;
        }
        agree(&reseal(bytes));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..9000)) {
        let mut checker = Checker::new();
        let pushed = checker.push(&bytes);
        prop_assert!(pushed.is_err() || checker.finish().is_err());
        let size = u64::try_from(bytes.len()).unwrap();
        prop_assert!(Database::open(&bytes, size).is_err());
    }
}

/// Where both accept, they say the same; the reader accepts nothing that the checker refuses.
fn agree(bytes: &[u8]) {
    match (checked(bytes, 4096), contents(bytes)) {
        (Ok(checked), Ok(contents)) => {
            let live_keys = checked.contents.live_keys.and(contents.live_keys);
            // A changed version or key is no damage that a structure shows.
            let expected = snapshot::Contents { live_keys, ..contents };
            let found = snapshot::Contents { live_keys, ..checked.contents };
            assert_eq!(found, expected);
        }
        // The reader looks at whole keys and values, the checker at their numbers.
        // And needs only one of the metas.
        (_, Err(_)) | (Err(snapshot::Error::Meta { .. }), Ok(_)) => {}
        (Err(error), Ok(_)) => panic!("only the checker refuses: {error}"),
    }
}
