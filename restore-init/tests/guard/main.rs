//! The real binary in folders of its own, beside real etcd processes and misbehaving peers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test fails by panicking, and its futures need not be small"
)]

mod arguments;
mod harness;
mod joining;
mod misbehaving;
mod states;
