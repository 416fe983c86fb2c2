//! Where tests kill the program: it goes no further than the stage that the environment names.
//!
//! In release builds there is nothing of this.

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
