//! Somebody who writes all the time, and remembers what was acknowledged.
//!
//! One key after the other, each written until it is acknowledged. So the keys from 0 up to the number of
//! acknowledged ones must all be there later; at most the next one may be there too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd::{Endpoint, MemberClient, Timeouts};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Between two writes: often enough to see a short outage, rarely enough to leave the machine alone.
const PAUSE: Duration = Duration::from_millis(20);
const PREFIX: &str = "written/";

/// Short and without any retry of their own: a put that is late counts as failed.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    read: Duration::from_secs(2),
    change: Duration::from_secs(5),
    kv: Duration::from_secs(1),
};

/// What was written so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Keys that were acknowledged: those from 0 up to this number.
    pub(crate) acknowledged: u32,
    /// Puts that failed, or were not acknowledged within a second. Each was made again.
    pub(crate) failed: u32,
    /// The longest time without an acknowledged put, since it was last asked for.
    pub(crate) longest_gap: Duration,
}

impl Tally {
    /// One put more, so long after the last acknowledged one.
    fn count(&mut self, is_written: bool, gap: Duration) {
        self.longest_gap = self.longest_gap.max(gap);
        if is_written {
            self.acknowledged += 1;
        } else {
            self.failed += 1;
        }
    }
}

/// Writes until [`Writer::stop`], or until it is dropped.
pub(crate) struct Writer {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts to write through whoever answers at `url`.
    pub(crate) fn start(url: &str) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(write(url.to_owned(), Arc::clone(&tally), stopped));
        Self { tally, stop, task }
    }

    /// What was written so far; the longest gap begins anew.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *tally;
        tally.longest_gap = Duration::ZERO;
        now
    }

    /// Returns once `count` keys more are acknowledged.
    pub(crate) async fn wait_for(&self, count: u32, limit: Duration) -> Result<()> {
        let from = self.acknowledged();
        let more = async {
            while self.acknowledged() < from + count {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(limit, more).await.with_context(|| {
            let written = self.acknowledged() - from;
            format!("only {written} of {count} keys were written within {limit:?}")
        })
    }

    fn acknowledged(&self) -> u32 {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).acknowledged
    }

    /// Stops after the write under way.
    pub(crate) async fn stop(mut self) -> Result<Tally> {
        self.stop.send_replace(true);
        (&mut self.task).await.context("the writer died")?;
        Ok(*self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn write(url: String, tally: Arc<Mutex<Tally>>, stopped: watch::Receiver<bool>) {
    let mut client = None;
    let mut last = Instant::now();
    let mut number = 0;
    while !*stopped.borrow() {
        let is_written = Box::pin(put(&mut client, &url, number)).await.is_ok();
        tally.lock().unwrap_or_else(PoisonError::into_inner).count(is_written, last.elapsed());
        if is_written {
            number += 1;
            last = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection that failed once is not used again.
async fn put(
    client: &mut Option<MemberClient>,
    url: &str,
    number: u32,
) -> std::result::Result<(), etcd::Error> {
    let there = match client.take() {
        Some(there) => there,
        None => connect(url).await?,
    };
    there.put(key(number).as_bytes(), value(number).as_bytes()).await?;
    *client = Some(there);
    Ok(())
}

/// A client of whoever answers at `url`.
pub(crate) async fn connect(url: &str) -> std::result::Result<MemberClient, etcd::Error> {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    MemberClient::connect(&endpoint, &TIMEOUTS).await
}

fn key(number: u32) -> String {
    format!("{PREFIX}{number:08}")
}

/// Differs from key to key, so that one value in another's place is noticed.
fn value(number: u32) -> String {
    format!("{:08x}", number.wrapping_mul(2_654_435_761))
}

/// Reads every key back; fails unless all that were acknowledged are there with their values.
pub(crate) async fn check(client: &MemberClient, acknowledged: u32) -> Result<()> {
    let found = client.get_prefix(PREFIX.as_bytes()).await.context("reading the keys back")?;
    let mut found = found.into_iter();
    for number in 0..acknowledged {
        let there = found.next();
        let is_right = there.as_ref().is_some_and(|there| {
            there.key == key(number).as_bytes() && there.value == value(number).as_bytes()
        });
        ensure!(is_right, "the key {} was acknowledged and is lost or changed", key(number));
    }
    // A put whose acknowledgement was lost may have been carried out.
    let more: Vec<_> = found.map(|there| there.key).collect();
    let is_next = more.iter().all(|there| *there == key(acknowledged).into_bytes());
    ensure!(more.len() <= 1 && is_next, "there are keys that nobody wrote");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_their_numbers() {
        assert!(key(9) < key(10) && key(99_999) < key(100_000));
    }

    #[test]
    fn neighbours_have_different_values() {
        assert!((0..1000).all(|number| value(number) != value(number + 1)));
    }
}
