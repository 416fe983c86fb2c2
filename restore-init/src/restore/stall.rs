//! How long a program that is run may stand still.

use std::time::Duration;

/// A program that neither computes nor reads nor writes for so long waits for a disk that is gone.
/// A slow one may take hours.
const LIMIT: Duration = Duration::from_mins(5);

/// How long etcdutl may stand still; tests wait less.
#[cfg(debug_assertions)]
pub(crate) fn limit() -> Duration {
    let set = std::env::var("ETCD_RESTORE_INIT_STALLED_AFTER_MS").ok();
    set.and_then(|text| text.parse().ok()).map_or(LIMIT, Duration::from_millis)
}

/// How long etcdutl may stand still.
#[cfg(not(debug_assertions))]
pub(crate) fn limit() -> Duration {
    LIMIT
}
