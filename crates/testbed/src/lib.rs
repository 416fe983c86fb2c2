//! Real servers for tests, as child processes on loopback, ended by their own process id.
//!
//! Each etcd member gets a loopback address of its own, made of the test process's id and a counter, and
//! ports by binding 0 there: no other test and no outgoing connection can take them in between.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::missing_panics_doc,
    reason = "this is a part of tests: they fail by panicking, and their futures need not be small"
)]

pub mod cluster;
pub mod member;
pub mod programs;
pub mod s3;

use std::time::{Duration, Instant};

/// The longest that anything on loopback may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks again every 50 ms until `ask` gives a value; panics with `what` after [`PATIENCE`].
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not seen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes three tests of one async function that takes a version of etcd.
#[macro_export]
macro_rules! on_each_version {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            use $crate::programs::Version;

            #[tokio::test]
            async fn on_etcd_3_5() {
                super::$name(Version::V3_5).await;
            }

            #[tokio::test]
            async fn on_etcd_3_6() {
                super::$name(Version::V3_6).await;
            }

            #[tokio::test]
            async fn on_etcd_3_7() {
                super::$name(Version::V3_7).await;
            }
        }
    )+ };
}
