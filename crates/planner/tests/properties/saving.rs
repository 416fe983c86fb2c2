//! What a recovery may take for stored.

use planner::{Archive, Order, Stage, Step};
use proptest::prelude::*;

use crate::config;
use crate::losing::losing;

proptest! {
    #![proptest_config(config())]

    /// Rule 5: once the sidecar calls it stored, and only if it holds all that the survivor tells of.
    #[test]
    fn what_a_survivor_held_counts_as_saved_only_once_all_of_it_is_stored(sight in losing()) {
        let Some(Step::RecordRestore(restore)) = sight.step() else { return Ok(()) };
        let Stage::Restoring { saved: Some(saved), .. } = restore.stage else { return Ok(()) };
        let before = sight.observed.record.restore.as_ref().map(|restore| &restore.stage);
        let Some(Stage::Saving { survivor, .. }) = before else { return Ok(()) };
        let held = sight.observed.stranded.get(survivor);
        prop_assert!(held.is_none_or(|held| *held <= saved.revision), "it holds more by now");
        let Archive::Known { order: Order::Stored(stored), .. } = &sight.observed.archive else {
            return Err(TestCaseError::fail("nothing is stored"));
        };
        prop_assert_eq!(stored, &saved);
    }
}
