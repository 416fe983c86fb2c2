//! The seam to the part that takes a backup: what the engine asks for and what it gets.
//!
//! One call is one attempt. It ends with every byte stored and the manifest committed, or with nothing
//! listed. Waiting, trying again and deciding when are the engine's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use archive::{
    digest::Digest,
    manifest::{Manifest, Reason},
    store::{Moved, Store},
};
use async_trait::async_trait;
use etcd::ClusterId;

/// Takes backups. Its one product implementation is `backup::take`; the engine's tests have another.
#[async_trait]
pub trait Taker: Send + Sync {
    /// Takes one backup, or finds that there is nothing new. Each of its waits has a limit of its own;
    /// being dropped it leaves nothing that is listed.
    async fn take(
        &self,
        store: Arc<dyn Store>,
        job: Job,
        progress: Arc<Progress>,
    ) -> Result<Taken, Problem>;
}

/// The backup that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Why. Only [`Reason::Scheduled`] may end in [`Taken::Unchanged`].
    pub reason: Reason,
    /// ID of the order, which the manifest records.
    pub request: Option<String>,
    /// Client URL of the member to take it from, without quorum too. Absent: chosen.
    pub member: Option<String>,
    /// etcd's own ID of the cluster, if whoever ordered it knows.
    pub cluster: Option<ClusterId>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// It is stored, and this is its manifest with the SHA-256 of its bytes.
    Stored(Box<Manifest>, Digest),
    /// Nothing has changed since the last backup, so nothing was written.
    Unchanged,
}

/// How far an attempt is: counts that only grow.
#[derive(Debug, Default)]
pub struct Progress {
    received: AtomicU64,
    stored: AtomicU64,
    expected: AtomicU64,
    steps: AtomicU64,
    upload: OnceLock<Moved>,
}

impl Progress {
    /// So many more bytes of the database came from etcd.
    pub fn receive(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many more bytes went to the store.
    pub fn store(&self, bytes: u64) {
        self.stored.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes will come from etcd in all.
    pub fn set_expected(&self, bytes: u64) {
        self.expected.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that will come from etcd in all; 0 while that is not known.
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// Bytes that came from etcd so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// What goes to the store piece by piece counts as well: on a slow line a part takes minutes.
    pub fn watch(&self, upload: Moved) {
        self.upload.get_or_init(|| upload);
    }

    /// Another stage has begun.
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that stands still only while nothing moves.
    pub fn moved(&self) -> u64 {
        let counts = [&self.received, &self.stored, &self.steps];
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        let upload = self.upload.get().map(Moved::count);
        counts.into_iter().chain(upload).fold(0, u64::wrapping_add)
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// A fixed word for conditions and metrics.
    pub reason: &'static str,
    /// What failed and what to do, in one sentence.
    pub message: String,
    /// Whether the same attempt can never succeed, such as one from a member that is not there by
    /// name. An order with such a problem is given up at once.
    pub is_final: bool,
}

impl Problem {
    /// A problem that may pass.
    #[allow(clippy::needless_pass_by_value, reason = "a text or an error, as it is at hand")]
    pub fn new(reason: &'static str, message: impl ToString) -> Self {
        Self { reason, message: message.to_string(), is_final: false }
    }

    /// One that stays as long as the same is asked.
    pub fn for_good(reason: &'static str, message: impl ToString) -> Self {
        Self { is_final: true, ..Self::new(reason, message) }
    }
}

impl From<archive::Error> for Problem {
    fn from(error: archive::Error) -> Self {
        Self::new(error.reason(), error)
    }
}

#[cfg(test)]
mod tests {
    use archive::store::objects::Objects;

    use super::*;

    #[tokio::test]
    async fn what_leaves_for_the_store_and_each_stage_count_as_movement() {
        let progress = Progress::default();
        let key = "v1/plum".parse().unwrap();
        let mut upload = Objects::memory().begin_upload(&key, None).await.unwrap();
        progress.watch(upload.moved());
        assert_eq!(progress.moved(), 0);
        upload.write(vec![7; 4 << 20].into()).await.unwrap();
        let moved = progress.moved();
        assert!(moved > 0, "though nothing was counted as stored");
        progress.step();
        assert_eq!(progress.moved(), moved + 1);
    }
}
