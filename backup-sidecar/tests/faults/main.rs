//! Stores and members that fail in every way: no false success, and the next attempt works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests fail by panicking, and their futures need not be small"
)]

mod credentials;
mod disk;
mod leader;
mod many;
mod proxy;
mod pruning;
mod reading;
mod rivals;
mod slow;
mod writing;

#[path = "../commands/harness.rs"]
#[allow(dead_code, reason = "some of it is only for the other tests")]
mod harness;
