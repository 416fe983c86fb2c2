//! The commands, run as a person runs them, on real etcd and real stores.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test fails by panicking, and its futures need not be small"
)]

mod auth;
mod damage;
mod errors;
mod faults;
mod harness;
mod interrupted;
mod pruning;
mod source;
mod taking;
mod tls;
