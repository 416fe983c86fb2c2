//! A client that writes all the time and remembers what etcd acknowledged.
//!
//! A put that got no answer may or may not have happened, so it proves nothing. One that was
//! acknowledged must be there at the end, whatever befell the members meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use etcd::MemberClient;
use tokio::task::JoinHandle;

use super::{Look, TestCluster, until};

const PREFIX: &str = "written/";

/// Between two puts: enough of them to meet every change, and time for the rest of the machine.
const PAUSE: Duration = Duration::from_millis(20);

/// Between two attempts to find a member that serves.
const RETRY: Duration = Duration::from_millis(100);

/// Writes until it is finished; stops when dropped.
pub struct Writer {
    cluster: TestCluster,
    shared: Arc<Shared>,
    task: JoinHandle<BTreeMap<Vec<u8>, Vec<u8>>>,
}

#[derive(Default)]
struct Shared {
    shall_stop: AtomicBool,
    acknowledged: AtomicUsize,
    failed: AtomicUsize,
}

impl Writer {
    pub(super) fn start(cluster: TestCluster) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(write(cluster.clone(), Arc::clone(&shared)));
        Self { cluster, shared, task }
    }

    /// Waits until `count` more puts are acknowledged: clients are served.
    pub async fn advances(&self, count: usize) -> Result<()> {
        let goal = self.shared.acknowledged.load(Ordering::Relaxed) + count;
        until("more acknowledged puts", super::PATIENCE, async || {
            let now = self.shared.acknowledged.load(Ordering::Relaxed);
            Ok(Look::claim(now >= goal, || format!("{now} of {goal}")))
        })
        .await
    }

    /// Stops, and reads back every key that was acknowledged. Returns how many there were.
    pub async fn finish(mut self) -> Result<usize> {
        self.shared.shall_stop.store(true, Ordering::Relaxed);
        let written = (&mut self.task).await.context("the writer died")?;
        ensure!(!written.is_empty(), "nothing was acknowledged");
        let there = Box::pin(self.read_all()).await?;
        let lost: Vec<String> = written
            .iter()
            .filter(|(key, value)| there.get(*key) != Some(value))
            .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
            .collect();
        ensure!(lost.is_empty(), "{} of {} puts are lost: {lost:?}", lost.len(), written.len());
        let failed = self.shared.failed.load(Ordering::Relaxed);
        eprintln!("{} puts acknowledged and read back, {failed} failed", written.len());
        Ok(written.len())
    }

    async fn read_all(&self) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        let client = self.cluster.client().await?;
        let there = client.get_prefix(PREFIX.as_bytes()).await?;
        Ok(there.into_iter().map(|kv| (kv.key, kv.value)).collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Every put has a key and a value of its own, so that a lost one cannot hide behind a later one.
async fn write(cluster: TestCluster, shared: Arc<Shared>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut written = BTreeMap::new();
    let mut connection: Option<MemberClient> = None;
    let mut number = 0_u64;
    while !shared.shall_stop.load(Ordering::Relaxed) {
        let Some(client) = &connection else {
            connection = cluster.client().await.ok();
            tokio::time::sleep(RETRY).await;
            continue;
        };
        number += 1;
        let key = format!("{PREFIX}{number:08}").into_bytes();
        let value = format!("{number} of {}", cluster.uid).into_bytes();
        if client.put(&key, &value).await.is_ok() {
            written.insert(key, value);
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        } else {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            connection = None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    written
}
