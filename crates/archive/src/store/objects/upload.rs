//! Uploads through the crate `object_store`.

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, RenameOptions, RenameTargetMode, path::Path};
use tokio::task::JoinSet;

use super::{Commit, Objects};
use crate::{
    error::{Error, Result},
    key::Key,
    store::{Moved, PARTS_IN_FLIGHT, Store, Upload, Uploaded, limits::within, parts::Parts},
};

/// Between an object's name and the number that makes an upload's own name of it.
const UNFINISHED: &str = ".unfinished-";

/// Whether the key is an upload's own name.
pub(in crate::store) fn is_unfinished(key: &Key) -> bool {
    key.as_str().contains(UNFINISHED)
}

/// The object that an unfinished upload would have become.
pub(super) fn target_of(key: &Key) -> Key {
    let target = key.as_str().split_once(UNFINISHED).and_then(|(target, _)| target.parse().ok());
    target.unwrap_or_else(|| key.clone())
}

/// An upload on its way.
#[derive(Debug)]
pub(in crate::store) struct ObjectUpload {
    store: Objects,
    target: Key,
    /// Where the bytes go before the rename; the target's path without one.
    staged: Path,
    inner: Box<dyn MultipartUpload>,
    parts: Parts,
    moved: Moved,
    in_flight: JoinSet<object_store::Result<()>>,
    written: u64,
}

impl ObjectUpload {
    pub(in crate::store) async fn begin(store: &Objects, target: &Key) -> Result<Self> {
        let staged = match store.commit {
            Commit::Rename => {
                let own = format!("{target}{UNFINISHED}{:016x}", fastrand::u64(..));
                store.path(&own.parse()?)
            }
            Commit::Check => store.path(target),
        };
        let begun = store.inner.put_multipart(&staged);
        let inner = store.call("uploading", target, begun).await?;
        let (store, target) = (store.clone(), target.clone());
        let (parts, moved, in_flight) = (Parts::default(), Moved::default(), JoinSet::new());
        Ok(Self { store, target, staged, inner, parts, moved, in_flight, written: 0 })
    }

    /// The path below the store's root where the bytes are before they are visible.
    pub(in crate::store) fn staged(&self) -> &str {
        self.staged.as_ref()
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.one_ends().await?;
        }
        self.in_flight.spawn(self.inner.put_part(part.into()));
        Ok(())
    }

    /// Waits until one of the parts in flight is stored.
    async fn one_ends(&mut self) -> Result<()> {
        let what = || format!("uploading {}", self.target);
        let next = async { Ok(self.in_flight.join_next().await) };
        match within(self.store.patience.idle, what, next).await? {
            None | Some(Ok(Ok(()))) => {
                self.moved.add(1);
                Ok(())
            }
            Some(Ok(Err(error))) => Err(self.store.translate(&what(), error)),
            Some(Err(error)) => Err(Error::Other { what: what(), detail: error.to_string() }),
        }
    }

    async fn send_the_rest(&mut self) -> Result<()> {
        let rest = self.parts.rest();
        if !rest.is_empty() || self.written == 0 {
            self.send(rest).await?;
        }
        while !self.in_flight.is_empty() {
            self.one_ends().await?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<Uploaded> {
        self.send_the_rest().await?;
        if self.store.commit == Commit::Check {
            self.refuse_if_there().await?;
        }
        let completed = self.inner.complete();
        let done = self.store.call("uploading", &self.target, completed).await?;
        if self.store.commit == Commit::Rename {
            self.rename().await?;
        }
        let size = self.store.head(&self.target).await?.size;
        if size != self.written {
            let problem = format!("{} bytes were written, the store shows {size}", self.written);
            return Err(Error::damaged(&self.target, problem));
        }
        Ok(Uploaded { size, etag: done.e_tag })
    }

    async fn refuse_if_there(&mut self) -> Result<()> {
        match self.store.head(&self.target).await {
            Err(Error::NotFound(_)) => Ok(()),
            Ok(_) => Err(Error::AlreadyExists(self.target.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn rename(&mut self) -> Result<()> {
        let only_if_absent =
            RenameOptions { target_mode: RenameTargetMode::Create, ..RenameOptions::default() };
        let target = self.store.path(&self.target);
        let renamed = self.store.inner.rename_opts(&self.staged, &target, only_if_absent);
        let renamed = self.store.call("uploading", &self.target, renamed).await;
        if renamed.is_err() {
            // It stays hidden if this fails as well, and goes with the abandoned ones.
            let _gone = self.store.inner.delete(&self.staged).await;
        }
        renamed
    }
}

#[async_trait]
impl Upload for ObjectUpload {
    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.written = self.written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        while !bytes.is_empty() {
            if let Some(part) = self.parts.fill(&mut bytes, self.store.part) {
                self.send(part).await?;
            }
        }
        Ok(())
    }

    fn moved(&self) -> Moved {
        self.moved.clone()
    }

    async fn finish(mut self: Box<Self>) -> Result<Uploaded> {
        self.commit().await
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.in_flight.shutdown().await;
        let aborted = self.inner.abort();
        self.store.call("aborting the upload of", &self.target, aborted).await
    }
}
