//! What `store.rs` promises, held against every store: memory, files, and a real S3 server; and against
//! servers and connections that fail.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "tests fail by panicking, and their futures need not be small"
)]

mod canned;
mod child;
mod credentials;
mod disk;
mod faults;
mod leftovers;
mod s3;
mod suite;

use std::sync::Arc;

use archive::store::{Patience, Store, files::Files, objects::Objects};
use suite::Crash;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_every_promise() {
    let store: Arc<dyn Store> = Arc::new(Objects::memory());
    suite::all(&store, Crash::LeavesNothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Files::open(folder.path(), Patience::default()).unwrap());
    suite::all(&store, Crash::LeavesParts).await;
}
