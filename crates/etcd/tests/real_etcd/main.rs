//! The client against real etcd processes of every supported minor version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test fails by panicking, and its futures need not be small"
)]

mod auth;
mod certificates;
mod damage;
mod keys;
mod learners;
mod network;
mod quorum;
mod snapshot;
mod tls;
mod voters;
