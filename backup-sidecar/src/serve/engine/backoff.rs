//! How long to wait after failures in a row.

use std::time::Duration;

/// After five minutes a store that is back is found soon enough.
const LONGEST: u64 = 300;

/// A second after the first failure, twice as long after each further one, five minutes at most. The
/// upper half of that is left to chance, so that sidecars whose store failed do not all come back in
/// the same second. `chance` is from 0 to 1.
pub(super) fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(LONGEST);
    let most = Duration::from_secs(doubled.min(LONGEST));
    most / 2 + (most / 2).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let seconds = |failures| backoff(failures, 1.0).as_secs();
        assert_eq!(
            [1, 2, 3, 9, 10, 64, 65, u32::MAX].map(seconds),
            [1, 2, 4, 256, 300, 300, 300, 300]
        );
        assert_eq!(backoff(3, 0.0), Duration::from_secs(2));
    }
}
