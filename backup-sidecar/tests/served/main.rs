//! `serve` as it runs in Kubernetes: real etcd, real stores, mutual TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests fail by panicking, and their futures need not be small"
)]

mod api;
mod client;
mod ends;
mod rivals;
mod sidecar;
mod times;
mod trouble;

#[path = "../commands/harness.rs"]
#[allow(dead_code, reason = "some of it is only for the other tests")]
mod harness;
