//! Whether an upload moves.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A number that grows with what goes to a store. Whoever watches an upload gives it up when the number
/// stands still: on a slow line a part of [`super::PART`] bytes takes minutes.
#[derive(Clone, Debug, Default)]
pub struct Moved(Arc<AtomicU64>);

impl Moved {
    /// The number so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, number: usize) {
        self.0.fetch_add(u64::try_from(number).unwrap_or_default(), Ordering::Relaxed);
    }
}
