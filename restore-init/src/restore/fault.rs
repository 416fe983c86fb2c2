//! Where tests kill the program, and how long it waits: by the environment, in debug builds alone.

use std::time::Duration;

/// A program that neither computes nor reads nor writes for so long waits for a disk that is gone.
/// A slow one may take hours.
const STALLED: Duration = Duration::from_mins(5);

/// How long etcdutl may stand still.
#[cfg(debug_assertions)]
pub(crate) fn stalled_after() -> Duration {
    let set = std::env::var("ETCD_RESTORE_INIT_STALLED_AFTER_MS").ok();
    set.and_then(|text| text.parse().ok()).map_or(STALLED, Duration::from_millis)
}

/// How long etcdutl may stand still.
#[cfg(not(debug_assertions))]
pub(crate) fn stalled_after() -> Duration {
    STALLED
}

/// Names the stage at which the program kills itself.
#[cfg(debug_assertions)]
const VARIABLE: &str = "ETCD_RESTORE_INIT_DIES_AT";

/// Dies here, as by a power cut, when this stage is the named one.
#[cfg(debug_assertions)]
pub(crate) fn point(stage: &str) {
    use rustix::process::{Signal, getpid, kill_process};

    if std::env::var_os(VARIABLE).is_some_and(|named| named == stage)
        && let Err(error) = kill_process(getpid(), Signal::KILL)
    {
        eprintln!("it could not die: {error}");
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_stage: &str) {}
