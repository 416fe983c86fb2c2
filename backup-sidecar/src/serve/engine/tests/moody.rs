//! A store that does not do what it is told not to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::archive::key::Key;
use ::archive::store::{Entry, Put, Reading, Span, Store, Unfinished, Upload, objects::Objects};
use ::archive::{Error, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::{SignedDuration, Timestamp};

/// What the store refuses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Mood {
    pub(crate) no_lists: AtomicBool,
    pub(crate) no_deletions: AtomicBool,
    /// Lists show everything two days older than it is.
    pub(crate) is_old: AtomicBool,
}

const TWO_DAYS: SignedDuration = SignedDuration::from_hours(48);

/// A store in memory, in that mood.
#[derive(Debug)]
pub(crate) struct Moody {
    pub(crate) store: Arc<Objects>,
    pub(crate) mood: Arc<Mood>,
}

fn check(refuses: &AtomicBool) -> Result<()> {
    if refuses.load(Ordering::SeqCst) {
        return Err(Error::Unavailable("connection refused".into()));
    }
    Ok(())
}

#[async_trait]
impl Store for Moody {
    fn name(&self) -> String {
        self.store.name()
    }

    async fn put_if_absent(
        &self,
        key: &Key,
        bytes: Bytes,
        lock_until: Option<Timestamp>,
    ) -> Result<Put> {
        self.store.put_if_absent(key, bytes, lock_until).await
    }

    async fn begin_upload(
        &self,
        key: &Key,
        lock_until: Option<Timestamp>,
    ) -> Result<Box<dyn Upload>> {
        self.store.begin_upload(key, lock_until).await
    }

    async fn get(&self, key: &Key, span: Span) -> Result<Reading> {
        self.store.get(key, span).await
    }

    async fn head(&self, key: &Key) -> Result<Entry> {
        self.store.head(key).await
    }

    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        match check(&self.mood.no_lists) {
            Ok(()) if self.mood.is_old.load(Ordering::SeqCst) => self
                .store
                .list(folder)
                .map_ok(|entry| Entry { modified: entry.modified - TWO_DAYS, ..entry })
                .boxed(),
            Ok(()) => self.store.list(folder),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        check(&self.mood.no_deletions)?;
        self.store.delete(key).await
    }

    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>> {
        self.store.unfinished(folder).await
    }

    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.store.remove_unfinished(upload).await
    }
}
