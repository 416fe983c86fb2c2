//! The one place where the operator reads the time.

use jiff::Timestamp;

/// Now.
#[allow(clippy::disallowed_methods, reason = "the edge at which time enters")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
