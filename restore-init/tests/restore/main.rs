//! The real binary with the etcdutl of each version, on backups of real etcd, whole and damaged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test fails by panicking, and its futures need not be small"
)]

mod backup;
mod clients;
mod etcdutls;
mod installed;
mod killed;
mod network;
mod original;
mod program;
mod refused;
mod s3;
mod sidecar;
mod space;
mod whole;
