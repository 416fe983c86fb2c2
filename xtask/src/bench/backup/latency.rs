//! How long puts take for somebody who writes while something else happens.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use etcd::{Endpoint, MemberClient, Timeouts};

/// Between two puts.
const PAUSE: Duration = Duration::from_millis(5);
const VALUE: [u8; 1024] = [b'v'; 1024];

/// Puts until `meanwhile` has ended, at least for `least`; the 99th percentile in milliseconds.
pub(super) async fn p99(
    url: &str,
    least: Duration,
    meanwhile: impl Future<Output = Result<()>>,
) -> Result<f64> {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    let client = MemberClient::connect(&endpoint, &Timeouts::default()).await?;
    let mut took = Vec::new();
    let writing = async {
        loop {
            let start = Instant::now();
            client.put(format!("/latency/{}", took.len() % 100).as_bytes(), &VALUE).await?;
            took.push(start.elapsed().as_secs_f64() * 1000.0);
            tokio::time::sleep(PAUSE).await;
        }
        // It is ended from outside; only a failed put comes here.
        #[allow(unreachable_code, reason = "names the type")]
        anyhow::Ok(())
    };
    let lasting = async {
        let (ended, ()) = tokio::join!(meanwhile, tokio::time::sleep(least));
        ended
    };
    tokio::select! {
        stopped = writing => stopped?,
        ended = lasting => ended?,
    }
    percentile(took, 99).context("nothing was put")
}

fn percentile(mut values: Vec<f64>, percent: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get(last * percent / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_percentile_leaves_out_the_slowest_of_a_hundred() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(percentile(values, 99), Some(99.0));
        assert_eq!(percentile(Vec::new(), 99), None);
    }
}
