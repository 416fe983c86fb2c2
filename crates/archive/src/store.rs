//! The narrow waist: what this product asks of a place that keeps objects.
//!
//! [`Store`] is implemented for S3 ([`s3`]), a folder of a file system ([`files`]) and, through the
//! crate `object_store`, for memory, Google Cloud Storage and Azure ([`objects`]). `tests/conformance`
//! holds all of them to the sentences below.
//!
//! Every call ends: each has a time limit, streams and uploads have a limit for standing still. No call
//! holds more than a few parts of [`PART`] bytes in memory.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::{
    error::{Error, Result},
    key::Key,
};

pub mod cloud;
pub mod files;
mod limits;
mod moved;
pub mod objects;
mod parts;
mod reading;
pub mod s3;

pub(crate) use limits::patiently;
pub use moved::Moved;
pub use reading::Reading;

/// Bytes that an upload collects before it sends them. S3 takes at least 5 MiB.
pub const PART: usize = 8 << 20;
/// Parts that one upload sends at the same time; one more is being filled meanwhile.
pub const PARTS_IN_FLIGHT: usize = 2;

/// An object as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its size in bytes.
    pub size: u64,
    /// When the store says that it was written.
    pub modified: Timestamp,
}

/// What became of an object that was to be written only if absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there now with exactly these bytes. (That it had been there with the same bytes counts
    /// too: after a lost answer nobody can tell the difference.)
    Created,
    /// Another object is there, untouched.
    AlreadyThere,
}

/// The bytes to read of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// The byte after the last; nothing means up to the end.
    pub end: Option<u64>,
}

impl Span {
    /// The whole object.
    pub const ALL: Self = Self { start: 0, end: None };

    /// From this byte to the end.
    pub fn from(start: u64) -> Self {
        Self { start, end: None }
    }

    /// From `start` up to and without `end`, which must be greater.
    pub fn between(start: u64, end: u64) -> Self {
        Self { start, end: Some(end) }
    }

    /// The numbers of the first byte and after the last in an object of this size. The object must
    /// hold the first byte of the span; an end behind the object's is the object's.
    pub(crate) fn within(self, key: &Key, size: u64) -> Result<(u64, u64)> {
        let end = self.end.unwrap_or(size).min(size);
        if self == Self::ALL || self.start < end {
            return Ok((self.start, end));
        }
        let asked = self.end.map_or_else(String::new, |end| end.to_string());
        Err(Error::BadInput(format!(
            "bytes {}..{asked} of {key} do not exist; it has {size} bytes",
            self.start
        )))
    }
}

/// A whole object that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its size in bytes, as the store confirmed it.
    pub size: u64,
    /// The store's own tag for its content, where it has one.
    pub etag: Option<String>,
}

/// An upload that was neither finished nor aborted: its writer died, or is still at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The object that it would have become.
    pub key: Key,
    /// The store's name for the upload.
    pub upload: String,
    /// When something was last done to it.
    pub modified: Timestamp,
}

/// A place that keeps objects.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// The store's own name in messages, such as `the bucket backups`.
    fn name(&self) -> String;

    /// Writes a small object if no object of that name is there. The object is durable and visible as
    /// a whole when this returns [`Put::Created`]; after an error it may or may not be there. Of
    /// several writers with different bytes at most one gets [`Put::Created`].
    ///
    /// `lock_until` lets the store refuse its deletion till then.
    async fn put_if_absent(
        &self,
        key: &Key,
        bytes: Bytes,
        lock_until: Option<Timestamp>,
    ) -> Result<Put>;

    /// Begins an upload of unknown size. Nothing is visible under `key` before
    /// [`Upload::finish`] returns.
    async fn begin_upload(
        &self,
        key: &Key,
        lock_until: Option<Timestamp>,
    ) -> Result<Box<dyn Upload>>;

    /// Reads a part of an object.
    async fn get(&self, key: &Key, span: Span) -> Result<Reading>;

    /// Size and age of an object.
    async fn head(&self, key: &Key) -> Result<Entry>;

    /// All objects below a folder, in no promised order, however many. Objects that no [`Key`] can
    /// name, and unfinished uploads, are left out.
    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>>;

    /// Removes an object; that it is not there is fine. The removal is durable when this returns.
    async fn delete(&self, key: &Key) -> Result<()>;

    /// The uploads below a folder that have not come to an end.
    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>>;

    /// Removes what an unfinished upload has left; that it is gone is fine.
    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()>;
}

/// An object on its way into a store. Dropping it removes what was stored so far as well as that is
/// possible; what is left is found by [`Store::unfinished`].
#[async_trait]
pub trait Upload: fmt::Debug + Send {
    /// Takes the next bytes. Waits while as many parts are in flight as may be. After an error the
    /// upload is of no more use.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// What moves of it, from its begin to its end.
    fn moved(&self) -> Moved;

    /// Makes the object visible. It is whole, of the size that was written, and durable when this
    /// returns. An error means that it must not be relied on, though it may be there.
    /// [`Error::AlreadyExists`] when another object has the name: that one is untouched.
    async fn finish(self: Box<Self>) -> Result<Uploaded>;

    /// Removes what was stored so far.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// How long stores wait. Tests make it short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For one small call, all its attempts together.
    pub call: Duration,
    /// For the next byte of a stream to come or go.
    pub idle: Duration,
    /// For one attempt of a small call.
    pub attempt: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [call, idle, attempt] = [60, 60, 25].map(Duration::from_secs);
        Self { call, idle, attempt }
    }
}

/// Whether the object that took the name is the one that was to be written. One that took the name and
/// is not there a moment later is on its way still.
async fn compare(store: &dyn Store, key: &Key, bytes: &Bytes) -> Result<Put> {
    let there = match store.get(key, Span::ALL).await {
        Err(missing @ Error::NotFound(_)) => return Err(Error::Unavailable(missing.to_string())),
        there => there?,
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if there.size() != length || there.bytes(length).await? != bytes {
        return Ok(Put::AlreadyThere);
    }
    Ok(Put::Created)
}
