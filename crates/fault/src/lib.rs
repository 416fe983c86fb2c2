//! Named places at which tests end a program as a power cut would: without a word, in the middle of its
//! work.
//!
//! A program calls [`point`] where it may be hit. In a build with debug assertions, [`VARIABLE`] says what
//! happens there:
//!
//! | value | at a point |
//! |---|---|
//! | `after-data` | the program ends at the point of this name |
//! | `tcp://10.250.0.10:4711` | it tells the name there and waits for the answer: `go`, or `die` |
//!
//! A release build reads nothing and does nothing, so that nobody can end a program in production this way.
//! `cargo xtask soak` builds release images in which this crate alone has debug assertions.

#[cfg(debug_assertions)]
mod armed;
mod points;

pub use points::Program;

/// The environment variable that says what happens at a point.
pub const VARIABLE: &str = "ETCD_FAULT_POINT";

/// Ends the program here if a test asked for it.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    debug_assert!(points::is_listed(name), "{name} is not listed in crates/fault/src/points.rs");
    armed::point(name);
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub fn point(_name: &str) {}

/// What a program's environment must hold for it to ask where this one asks, if this one asks anybody.
#[cfg(debug_assertions)]
pub fn environment() -> Option<(&'static str, String)> {
    armed::asks_at().map(|address| (VARIABLE, format!("{}{address}", armed::ASK)))
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub fn environment() -> Option<(&'static str, String)> {
    None
}
