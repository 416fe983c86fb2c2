//! Somebody who writes all the time, and remembers what etcd acknowledged.
//!
//! One key after the other, each put again until it is acknowledged. So the keys from 0 up to the number of
//! acknowledged ones must all be there later, whatever befell the members meanwhile; at most the next one
//! may be there too: a put whose acknowledgement was lost may have been carried out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd::{Endpoint, MemberClient, Timeouts};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const PREFIX: &str = "written/";

/// Between two puts: enough of them to meet every change, and time for the rest of the machine.
const PAUSE: Duration = Duration::from_millis(20);

/// After a put that failed.
const RETRY: Duration = Duration::from_millis(100);

/// Short and without any retry of their own: a put that is late counts as failed.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(1),
    read: Duration::from_secs(2),
    change: Duration::from_secs(5),
    kv: Duration::from_secs(1),
};

/// Finds somebody who serves. Each connection is used until it fails.
pub trait Connect: Send + Sync + 'static {
    /// A client of a member that serves.
    fn connect(&self) -> impl Future<Output = Result<MemberClient>> + Send;

    /// Stands in every value, so that another cluster's keys are not taken for this one's.
    fn salt(&self) -> &str;
}

/// Whoever answers at an address.
#[derive(Clone, Debug)]
pub struct Address(pub String);

impl Connect for Address {
    async fn connect(&self) -> Result<MemberClient> {
        let endpoint = Endpoint { url: self.0.clone(), server_name: None };
        Ok(MemberClient::connect(&endpoint, &TIMEOUTS).await?)
    }

    fn salt(&self) -> &'static str {
        ""
    }
}

/// What was written so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Keys that were acknowledged: those from 0 up to this number.
    pub acknowledged: u32,
    /// Puts that failed, or were not acknowledged in time. Each was made again.
    pub failed: u32,
    /// The longest time without an acknowledged put, since it was last asked for.
    pub longest_gap: Duration,
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
pub struct Writer {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts to write through whoever `to` finds.
    pub fn start(to: impl Connect) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(write(to, Arc::clone(&tally), stopped));
        Self { tally, stop, task }
    }

    /// What was written so far; the longest gap begins anew.
    pub fn tally(&self) -> Tally {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *tally;
        tally.longest_gap = Duration::ZERO;
        now
    }

    /// Returns once `count` keys more are acknowledged: clients are served.
    pub async fn wait_for(&self, count: u32, limit: Duration) -> Result<()> {
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

    /// Stops after the put under way.
    pub async fn stop(mut self) -> Result<Tally> {
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

async fn write(to: impl Connect, tally: Arc<Mutex<Tally>>, stopped: watch::Receiver<bool>) {
    let mut client = None;
    let mut last = Instant::now();
    let mut number = 0;
    while !*stopped.borrow() {
        let is_written = Box::pin(put(&mut client, &to, number)).await.is_ok();
        tally.lock().unwrap_or_else(PoisonError::into_inner).count(is_written, last.elapsed());
        if is_written {
            number += 1;
            last = Instant::now();
        }
        tokio::time::sleep(if is_written { PAUSE } else { RETRY }).await;
    }
}

/// A connection that failed once is not used again.
async fn put(client: &mut Option<MemberClient>, to: &impl Connect, number: u32) -> Result<()> {
    let there = match client.take() {
        Some(there) => there,
        None => to.connect().await?,
    };
    there.put(key(number).as_bytes(), value(to.salt(), number).as_bytes()).await?;
    *client = Some(there);
    Ok(())
}

fn key(number: u32) -> String {
    format!("{PREFIX}{number:08}")
}

/// Differs from key to key, so that one value in another's place is noticed.
fn value(salt: &str, number: u32) -> String {
    format!("{:08x} {salt}", number.wrapping_mul(2_654_435_761))
}

/// Reads every key back; fails unless all that were acknowledged are there with their values, and at most
/// the next one beside them.
pub async fn check(to: &impl Connect, acknowledged: u32) -> Result<()> {
    let found = read_back(to).await?;
    ensure!(
        found >= acknowledged,
        "the keys from {} to {} were acknowledged and are lost",
        key(found),
        key(acknowledged - 1)
    );
    ensure!(
        found - acknowledged <= 1,
        "there are keys that nobody wrote, up to {}",
        key(found - 1)
    );
    Ok(())
}

/// How many keys are there: all from 0 up to that number, each with its value. Fails where one between them
/// is missing, or has another value.
pub async fn read_back(to: &impl Connect) -> Result<u32> {
    let client = to.connect().await.context("connecting to read the keys back")?;
    let found = client.get_prefix(PREFIX.as_bytes()).await.context("reading the keys back")?;
    let mut count = 0;
    for there in found {
        let is_right =
            there.key == key(count).as_bytes() && there.value == value(to.salt(), count).as_bytes();
        ensure!(
            is_right,
            "where {} should stand is {} = {:?}",
            key(count),
            String::from_utf8_lossy(&there.key),
            String::from_utf8_lossy(&there.value)
        );
        count += 1;
    }
    Ok(count)
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
        assert!((0..1000).all(|number| value("", number) != value("", number + 1)));
    }

    #[test]
    fn two_clusters_have_different_values() {
        assert_ne!(value("one", 1), value("two", 1));
    }
}
