//! Somebody who writes all the time, and remembers what etcd acknowledged.
//!
//! One key after the other, each put again until it is acknowledged. So the keys from 0 up to the number of
//! acknowledged ones must all be there later, whatever befell the members meanwhile; at most the next one
//! may be there too: a put whose acknowledgement was lost may have been carried out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd::{Endpoint, KeyValue, MemberClient, Timeouts};
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
    /// Keys that are there: those from 0 up to this number. All but those before the first one of a
    /// writer that took over were acknowledged to it.
    pub acknowledged: u32,
    /// Puts that failed, or were not acknowledged in time. Each was made again.
    pub failed: u32,
    /// The longest time without an acknowledged put, since it was last asked for.
    pub longest_gap: Duration,
}

/// What a writer remembers.
#[derive(Debug, Default)]
struct Memory {
    tally: Tally,
    /// When each put was acknowledged, in the order of the keys.
    times: Vec<Instant>,
}

impl Memory {
    /// One put more, at `now` and so long after the last acknowledged one.
    fn count(&mut self, is_written: bool, now: Instant, gap: Duration) {
        let tally = &mut self.tally;
        tally.longest_gap = tally.longest_gap.max(gap);
        if is_written {
            tally.acknowledged += 1;
            self.times.push(now);
        } else {
            tally.failed += 1;
        }
    }

    /// Between the acknowledgements of the last of the first `count` keys and of the last key of all.
    fn time_after(&self, count: u32) -> Duration {
        let beyond = self.tally.acknowledged.saturating_sub(count);
        let beyond = usize::try_from(beyond).unwrap_or(usize::MAX);
        // A writer that began after that key knows of the time since its own first.
        let of_key = self.times.len().saturating_sub(beyond.saturating_add(1));
        match (self.times.get(of_key), self.times.last()) {
            (Some(of_key), Some(last)) => last.saturating_duration_since(*of_key),
            _ => Duration::ZERO,
        }
    }
}

/// Writes until [`Writer::stop`], or until it is dropped.
pub struct Writer {
    memory: Arc<Mutex<Memory>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts to write through whoever `to` finds.
    pub fn start(to: impl Connect) -> Self {
        Self::start_at(to, 0)
    }

    /// Goes on behind another writer, of which so many keys are there.
    pub fn start_at(to: impl Connect, first: u32) -> Self {
        let tally = Tally { acknowledged: first, ..Tally::default() };
        let memory = Arc::new(Mutex::new(Memory { tally, times: Vec::new() }));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(write(to, first, Arc::clone(&memory), stopped));
        Self { memory, stop, task }
    }

    /// What was written so far; the longest gap begins anew.
    pub fn tally(&self) -> Tally {
        let mut memory = lock(&self.memory);
        let now = memory.tally;
        memory.tally.longest_gap = Duration::ZERO;
        now
    }

    /// For how long it wrote on after the first `count` keys: the time whose writes are missing where
    /// only these are there.
    pub fn time_after(&self, count: u32) -> Duration {
        lock(&self.memory).time_after(count)
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
        lock(&self.memory).tally.acknowledged
    }

    /// Stops after the put under way, and still tells what was written.
    pub async fn halt(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        (&mut self.task).await.context("the writer died")
    }

    /// Stops after the put under way.
    pub async fn stop(mut self) -> Result<Tally> {
        self.halt().await?;
        Ok(lock(&self.memory).tally)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(
    to: impl Connect,
    first: u32,
    memory: Arc<Mutex<Memory>>,
    stopped: watch::Receiver<bool>,
) {
    let mut client = None;
    let mut last = Instant::now();
    let mut number = first;
    while !*stopped.borrow() {
        let is_written = Box::pin(put(&mut client, &to, number)).await.is_ok();
        let now = Instant::now();
        lock(&memory).count(is_written, now, now - last);
        if is_written {
            number += 1;
            last = now;
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
    count(&found, to.salt())
}

/// How many of these keys, which are in order, a writer wrote. Fails as [`read_back`] does.
pub fn count(keys: &[KeyValue], salt: &str) -> Result<u32> {
    let mut count = 0;
    for there in keys.iter().filter(|there| there.key.starts_with(PREFIX.as_bytes())) {
        let is_right =
            there.key == key(count).as_bytes() && there.value == value(salt, count).as_bytes();
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
    fn what_is_missing_behind_a_key_is_told_with_its_time() {
        let mut memory = Memory::default();
        memory.tally.acknowledged = 10;
        let start = Instant::now();
        for second in 0..5 {
            let now = start + Duration::from_secs(second);
            memory.count(true, now, Duration::from_secs(1));
            memory.count(false, now, Duration::from_secs(1));
        }
        assert_eq!((memory.tally.acknowledged, memory.tally.failed), (15, 5));
        assert_eq!(memory.time_after(12), Duration::from_secs(3));
        assert_eq!(memory.time_after(14), Duration::from_secs(1));
        assert_eq!(memory.time_after(15), Duration::ZERO);
        assert_eq!(memory.time_after(3), Duration::from_secs(4));
    }

    #[test]
    fn keys_of_a_writer_are_counted_and_a_gap_between_them_is_an_error() {
        let there = |name: String, value: String| KeyValue {
            key: name.into_bytes(),
            value: value.into_bytes(),
            create_revision: 2,
            mod_revision: 2,
            version: 1,
            lease: 0,
        };
        let written = |number| there(key(number), value("", number));
        let other = there("kept/1".into(), "x".into());
        assert_eq!(count(&[other.clone(), written(0), written(1)], "").unwrap(), 2);
        let error = count(&[other, written(0), written(2)], "").unwrap_err().to_string();
        assert!(error.contains(&key(1)) && error.contains(&key(2)), "{error}");
    }

    #[test]
    fn two_clusters_have_different_values() {
        assert_ne!(value("one", 1), value("two", 1));
    }
}
