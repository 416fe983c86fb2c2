//! Real etcd processes for tests: found, started on loopback, killed by their own process id.
//!
//! Each member gets a loopback address of its own, made of the test process's id and a counter, and
//! ports by binding 0 there: no other test and no outgoing connection can take them in between.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

pub mod cluster;
pub mod member;
pub mod programs;

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
            use $crate::support::programs::Version;

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
