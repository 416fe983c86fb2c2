//! The stores of the crate `object_store` behind [`Store`]: memory, and the ground of [`super::files`]
//! and [`super::cloud`].
//!
//! None of them can finish an upload only if the name is free. Where a rename can ([`Commit::Rename`]:
//! memory and files), an upload is finished under a name of its own and renamed. Elsewhere
//! ([`Commit::Check`]) the name is looked at just before, which two writers may pass together; the
//! manifest, which is put only if absent everywhere, decides between them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream, stream::BoxStream};
use jiff::Timestamp;
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, path::Path,
};

use super::{
    Entry, Patience, Put, Reading, Span, Store, Unfinished, Upload, compare, limits::within,
};
use crate::{
    error::{Error, Result},
    key::Key,
};

pub(super) mod error;
mod upload;

pub(super) use upload::{ObjectUpload, is_unfinished};

/// How an upload becomes visible only if its name is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// By a rename that fails if the target exists.
    Rename,
    /// By looking just before.
    Check,
}

/// A store of the crate `object_store`.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) name: String,
    pub(super) prefix: Option<Key>,
    pub(super) commit: Commit,
    /// Bytes that an upload collects before it sends them.
    pub(super) part: usize,
    /// Bytes that are read at a time, where the store's own pieces are too small.
    pub(super) piece: Option<u64>,
    pub(super) patience: Patience,
}

impl Objects {
    /// A store in this process's memory, for tests.
    pub fn memory() -> Self {
        Self {
            inner: Arc::new(object_store::memory::InMemory::new()),
            name: "the memory".to_owned(),
            prefix: None,
            commit: Commit::Rename,
            part: 1 << 20,
            piece: None,
            patience: Patience::default(),
        }
    }

    pub(super) fn path(&self, key: &Key) -> Path {
        match &self.prefix {
            Some(prefix) => Path::from(format!("{prefix}/{key}")),
            None => Path::from(key.as_str()),
        }
    }

    async fn call<T>(
        &self,
        what: &str,
        key: &Key,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        let what = format!("{what} {key}");
        let translated = async { call.await.map_err(|error| self.translate(&what, error)) };
        within(self.patience.call, || what.clone(), translated).await
    }

    pub(super) fn translate(&self, what: &str, error: object_store::Error) -> Error {
        error::translate(&self.name, what, error)
    }

    /// All objects below a folder, those of unfinished uploads too.
    fn list_all(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        let (this, what) = (self.clone(), format!("listing {folder}"));
        let found = self.inner.list(Some(&self.path(folder)));
        // A folder of a network's file system may never answer.
        let found = stream::unfold(Some((found, this.clone(), what.clone())), async |left| {
            let (mut found, this, what) = left?;
            let next =
                async { found.next().await.transpose().map_err(|e| this.translate(&what, e)) };
            match within(this.patience.idle, || what.clone(), next).await.transpose()? {
                Ok(meta) => Some((Ok(meta), Some((found, this, what)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        let entry = move |found: Result<ObjectMeta>| match found {
            Ok(meta) => this.entry(&meta).map(Ok),
            Err(error) => Some(Err(error)),
        };
        found.filter_map(move |found| future::ready(entry(found))).boxed()
    }

    fn entry(&self, meta: &ObjectMeta) -> Option<Entry> {
        let path = meta.location.as_ref();
        let key = match &self.prefix {
            Some(prefix) => path.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => path,
        };
        let modified = Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).ok()?;
        Some(Entry { key: key.parse().ok()?, size: meta.size, modified })
    }

    async fn get_by_pieces(&self, key: &Key, span: Span, piece: u64) -> Result<Reading> {
        let size = self.head(key).await?.size;
        let (start, end) = span.within(key, size)?;
        let (this, path, name) = (self.clone(), self.path(key), key.clone());
        let pieces = stream::try_unfold(start, move |from| {
            let (this, path, name) = (this.clone(), path.clone(), name.clone());
            async move {
                if from >= end {
                    return Ok(None);
                }
                let until = end.min(from.saturating_add(piece));
                let got = this.inner.get_range(&path, from..until).await;
                let bytes =
                    got.map_err(|error| this.translate(&format!("reading {name}"), error))?;
                Ok(Some((bytes, until)))
            }
        });
        Ok(Reading::new(key, size, end.saturating_sub(start), self.patience.idle, pieces))
    }
}

#[async_trait]
impl Store for Objects {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn put_if_absent(
        &self,
        key: &Key,
        bytes: Bytes,
        lock_until: Option<Timestamp>,
    ) -> Result<Put> {
        refuse_lock(lock_until)?;
        let payload = PutPayload::from_bytes(bytes.clone());
        let path = self.path(key);
        let put = self.inner.put_opts(&path, payload, PutMode::Create.into());
        match self.call("writing", key, put).await {
            Ok(_) => Ok(Put::Created),
            Err(Error::AlreadyExists(_)) => compare(self, key, &bytes).await,
            Err(error) => Err(error),
        }
    }

    async fn begin_upload(
        &self,
        key: &Key,
        lock_until: Option<Timestamp>,
    ) -> Result<Box<dyn Upload>> {
        refuse_lock(lock_until)?;
        Ok(Box::new(ObjectUpload::begin(self, key).await?))
    }

    async fn get(&self, key: &Key, span: Span) -> Result<Reading> {
        if let Some(piece) = self.piece {
            return self.get_by_pieces(key, span, piece).await;
        }
        let range = (span != Span::ALL).then_some(match span.end {
            Some(end) => GetRange::Bounded(span.start..end),
            None => GetRange::Offset(span.start),
        });
        let (path, what) = (self.path(key), format!("reading {key}"));
        let options = GetOptions { range, ..GetOptions::default() };
        let got = match self.call("reading", key, self.inner.get_opts(&path, options)).await {
            // Which bytes there are is said better than by each store's own words.
            Err(error @ Error::Other { .. }) if span != Span::ALL => {
                let size = self.head(key).await?.size;
                return span.within(key, size).and(Err(error));
            }
            got => got?,
        };
        let (size, length) = (got.meta.size, got.range.end.saturating_sub(got.range.start));
        let this = self.clone();
        let stream = got.into_stream().map_err(move |error| this.translate(&what, error));
        Ok(Reading::new(key, size, length, self.patience.idle, stream))
    }

    async fn head(&self, key: &Key) -> Result<Entry> {
        let meta = self.call("looking at", key, self.inner.head(&self.path(key))).await?;
        self.entry(&meta).ok_or_else(|| Error::NotFound(key.to_string()))
    }

    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        let all = self.list_all(folder);
        all.try_filter(|entry| future::ready(!is_unfinished(&entry.key))).boxed()
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        match self.call("deleting", key, self.inner.delete(&self.path(key))).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>> {
        let left =
            self.list_all(folder).try_filter(|entry| future::ready(is_unfinished(&entry.key)));
        left.map_ok(|Entry { key, modified, .. }| {
            let upload = key.to_string();
            Unfinished { key: upload::target_of(&key), upload, modified }
        })
        .try_collect()
        .await
    }

    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.delete(&upload.upload.parse()?).await
    }
}

fn refuse_lock(lock_until: Option<Timestamp>) -> Result<()> {
    match lock_until {
        Some(_) => Err(Error::Unsupported("locks on objects; only S3 does".to_owned())),
        None => Ok(()),
    }
}
