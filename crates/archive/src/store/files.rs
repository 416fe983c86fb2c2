//! A folder of a file system, such as a mounted persistent volume.
//!
//! Writing goes through `object_store`'s `LocalFileSystem` with fsync: a file's content is durable before
//! its name appears, and the name (and each folder made for it) before the call returns. Names appear
//! by hard links, which exactly one of several processes can make. Removal is done here, because
//! that crate does not make it durable.
//!
//! Unfinished uploads lie beside their target under names with `.unfinished-` or `#`, which no list
//! shows. A full disk is [`Error::Full`] and leaves nothing behind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;
use object_store::local::LocalFileSystem;

use super::{
    Entry, Moved, Patience, Put, Reading, Span, Store, Unfinished, Upload, Uploaded,
    limits::within,
    objects::{Commit, ObjectUpload, Objects, error::translate},
};
use crate::{
    error::{Error, Result},
    key::Key,
};

mod disk;

/// Small enough that an upload needs little memory, large enough that calls are few.
const PIECE: usize = 1 << 20;

/// A folder that keeps objects as files.
#[derive(Clone, Debug)]
pub struct Files {
    root: PathBuf,
    objects: Objects,
}

impl Files {
    /// The folder must be there: one that is not may be a volume that is not mounted.
    pub fn open(root: &Path, patience: Patience) -> Result<Self> {
        let name = format!("the folder {}", root.display());
        let missing = || Error::NoBucket(name.clone());
        let root = root.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => disk::error(&name, error),
        })?;
        if !root.is_dir() {
            return Err(missing());
        }
        let inner = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| translate(&name, "opening", error))?
            .with_fsync(true);
        let objects = Objects {
            inner: Arc::new(inner),
            name,
            prefix: None,
            commit: Commit::Rename,
            part: PIECE,
            piece: u64::try_from(PIECE).ok(),
            patience,
        };
        Ok(Self { root, objects })
    }

    /// A volume that was unmounted meanwhile must not look like an empty store.
    fn check_root(&self) -> Result<()> {
        if self.root.is_dir() { Ok(()) } else { Err(Error::NoBucket(self.objects.name.clone())) }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        what: String,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let root = self.root.clone();
        let done = tokio::task::spawn_blocking(move || work(&root));
        let translated = async {
            let done = done.await.map_err(io::Error::other).and_then(|done| done);
            done.map_err(|error| disk::error(&what, error))
        };
        within(self.objects.patience.call, || what.clone(), translated).await
    }
}

#[async_trait]
impl Store for Files {
    fn name(&self) -> String {
        self.objects.name()
    }

    async fn put_if_absent(
        &self,
        key: &Key,
        bytes: Bytes,
        lock_until: Option<Timestamp>,
    ) -> Result<Put> {
        self.check_root()?;
        self.objects.put_if_absent(key, bytes, lock_until).await
    }

    async fn begin_upload(
        &self,
        key: &Key,
        lock_until: Option<Timestamp>,
    ) -> Result<Box<dyn Upload>> {
        self.check_root()?;
        if lock_until.is_some() {
            return self.objects.begin_upload(key, lock_until).await;
        }
        let upload = ObjectUpload::begin(&self.objects, key).await?;
        let left = disk::left_by(&self.root.join(upload.staged()));
        Ok(Box::new(FileUpload { store: self.clone(), upload: Some(Box::new(upload)), left }))
    }

    async fn get(&self, key: &Key, span: Span) -> Result<Reading> {
        self.check_root()?;
        self.objects.get(key, span).await
    }

    async fn head(&self, key: &Key) -> Result<Entry> {
        self.check_root()?;
        self.objects.head(key).await
    }

    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        match self.check_root() {
            Ok(()) => self.objects.list(folder),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.check_root()?;
        let file = key.to_string();
        self.on_disk(format!("deleting {key}"), move |root| disk::remove(root, &file)).await
    }

    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>> {
        self.check_root()?;
        let below = folder.to_string();
        let what = format!("listing {folder}");
        self.on_disk(what, move |root| disk::unfinished(root, &root.join(below))).await
    }

    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()> {
        self.check_root()?;
        let file = upload.upload.clone();
        let what = format!("removing an unfinished upload of {}", upload.key);
        self.on_disk(what, move |root| disk::remove(root, &file)).await
    }
}

/// An upload that leaves nothing on the disk when it fails.
#[derive(Debug)]
struct FileUpload {
    store: Files,
    /// Gone when it has come to an end.
    upload: Option<Box<ObjectUpload>>,
    /// The files that it may leave.
    left: Vec<PathBuf>,
}

impl FileUpload {
    fn take(&mut self) -> Result<Box<ObjectUpload>> {
        // Never seen: whoever takes it owns the box.
        self.upload.take().ok_or_else(|| Error::BadInput("an upload ends once".to_owned()))
    }

    async fn clear(&mut self) -> Result<()> {
        let left = std::mem::take(&mut self.left);
        let what = "removing what an upload has left".to_owned();
        self.store.on_disk(what, move |root| disk::remove_all(root, &left)).await
    }
}

#[async_trait]
impl Upload for FileUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        match &mut self.upload {
            Some(upload) => upload.write(bytes).await,
            None => self.take().map(drop),
        }
    }

    fn moved(&self) -> Moved {
        self.upload.as_ref().map(|upload| upload.moved()).unwrap_or_default()
    }

    async fn finish(mut self: Box<Self>) -> Result<Uploaded> {
        let done = self.take()?.finish().await;
        match &done {
            Ok(_) => self.left.clear(),
            // The first error is the one to tell; what stays is hidden, and removed after a day.
            Err(_) => drop(self.clear().await),
        }
        done
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.take()?.abort().await?;
        self.clear().await
    }
}

impl Drop for FileUpload {
    fn drop(&mut self) {
        let (root, left) = (self.store.root.clone(), std::mem::take(&mut self.left));
        if left.is_empty() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // What stays is found by `Store::unfinished`.
            drop(runtime.spawn_blocking(move || disk::remove_all(&root, &left)));
        }
    }
}
