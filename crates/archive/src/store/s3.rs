//! A bucket of S3, or of a store that speaks its language.
//!
//! Uploads of unknown size go as multipart uploads of 8 MiB parts, small ones as a single put. Each part
//! carries its SHA-256, which the store checks and which object lock asks for. An object that is to be
//! written only if absent is looked for first, then put with `If-None-Match: *`. Stores without that
//! condition (501, or those that ignore it: the first object is put twice to see) leave a gap of one call
//! between look and put, in which two writers can both succeed and the later one's bytes stay. There,
//! what was put is read back after [`SETTLED`], and an [`Attempt`](crate::attempt) looks again
//! whether its folder is its own before it shows anything. Two writers whose calls take longer than that
//! can still harm each other; nothing of a backup that was committed before is touched.
//!
//! Permissions: `s3:ListBucket` and `s3:ListBucketMultipartUploads` on the bucket; `s3:GetObject`,
//! `s3:PutObject`, `s3:DeleteObject`, `s3:AbortMultipartUpload` on the prefix; with object lock also
//! `s3:PutObjectRetention`, `s3:GetObjectRetention`, `s3:DeleteObjectVersion` and `s3:GetObjectVersion`.
//! Set a lifecycle rule `AbortIncompleteMultipartUpload` as a second line: an upload that a crash
//! left behind costs money until it is removed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::head_object::HeadObjectOutput,
    primitives::DateTime,
    types::{ObjectLockMode, ServerSideEncryption},
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use jiff::Timestamp;

use super::{Entry, Patience, Put, Reading, Span, Store, Unfinished, Upload, compare};
use crate::{
    error::{Error, Result},
    key::Key,
};

mod body;
mod client;
mod error;
mod put;
mod upload;

pub use client::Settings;

/// For so long another writer's put may be on its way whose look came before this one's put.
const SETTLED: Duration = Duration::from_secs(2);
/// An object of ours has one version, or two after a put whose answer was lost.
const MOST_VERSIONS: usize = 20;

/// An encryption that the store is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// With keys that the store manages (SSE-S3).
    Aes256,
    /// With a key of its key management; nothing means the bucket's own.
    Kms(Option<String>),
}

/// Who may delete a locked object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Somebody with the special permission.
    Governance,
    /// Nobody.
    Compliance,
}

/// A bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    bucket: Arc<str>,
    prefix: Option<Key>,
    encryption: Option<Encryption>,
    lock: Option<Lock>,
    /// Whether the store refuses a name that is taken, once that was seen.
    knows_conditions: Arc<OnceLock<bool>>,
    patience: Patience,
}

impl S3 {
    fn path(&self, key: &Key) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{key}"),
            None => key.to_string(),
        }
    }

    fn key_of(&self, path: &str) -> Option<Key> {
        let key = match &self.prefix {
            Some(prefix) => path.strip_prefix(prefix.as_str())?.strip_prefix('/')?,
            None => path,
        };
        key.parse().ok()
    }

    /// What the SDK said, by meaning.
    #[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
    fn translate<E>(&self, what: &str, key: &Key, error: SdkError<E>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        error::translate(&self.name(), &format!("{what} {key}"), key.as_str(), &error)
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            None => (None, None),
            Some(Encryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    /// Mode and end of an object's lock. Asked to lock without a mode, it is governance.
    fn retention(&self, until: Option<Timestamp>) -> (Option<ObjectLockMode>, Option<DateTime>) {
        let Some(until) = until else { return (None, None) };
        let mode = match self.lock {
            Some(Lock::Compliance) => ObjectLockMode::Compliance,
            Some(Lock::Governance) | None => ObjectLockMode::Governance,
        };
        (Some(mode), Some(DateTime::from_secs(until.as_second())))
    }

    /// Of a lock that the bucket cannot keep, stores say no more than "Invalid Request".
    fn without_locks(&self, error: Error, lock_until: Option<Timestamp>) -> Error {
        match error {
            Error::Other { detail, .. }
                if lock_until.is_some() && detail.contains("InvalidRequest") =>
            {
                Error::BadInput(format!(
                    "{} takes no locked objects ({detail}); make it anew with object lock on, or \
                     leave the lock out",
                    self.name()
                ))
            }
            other => other,
        }
    }

    async fn look(&self, key: &Key) -> Result<HeadObjectOutput> {
        let head = self.client.head_object().bucket(&*self.bucket).key(self.path(key));
        match head.send().await.map_err(|error| self.translate("looking at", key, error)) {
            Err(bare @ (Error::Denied { .. } | Error::Other { .. })) => {
                Err(self.why(key).await.unwrap_or(bare))
            }
            other => other,
        }
    }

    /// The store's words for a refusal. An answer to HEAD has no body that could hold them, and wrong
    /// and expired credentials look there as a missing permission or a bad request does.
    async fn why(&self, key: &Key) -> Option<Error> {
        let get = self.client.get_object().bucket(&*self.bucket).key(self.path(key));
        let error = get.range("bytes=0-0").send().await.err()?;
        Some(self.translate("looking at", key, error))
    }

    async fn is_there(&self, key: &Key) -> Result<bool> {
        match self.look(key).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes one version for good; without a version, whatever the name stands for.
    async fn remove(&self, key: &Key, version: Option<String>) -> Result<()> {
        let delete = self.client.delete_object().bucket(&*self.bucket).key(self.path(key));
        let deleted = delete.set_version_id(version).send().await;
        deleted.map(drop).map_err(|error| self.translate("deleting", key, error))
    }
}

/// The bytes to read, as HTTP writes them.
fn range(span: Span) -> Option<String> {
    match (span == Span::ALL, span.end) {
        (true, _) => None,
        (false, None) => Some(format!("bytes={}-", span.start)),
        (false, Some(end)) => Some(format!("bytes={}-{}", span.start, end.saturating_sub(1))),
    }
}

/// The size of the whole object, from an answer to a question for a part of it.
fn whole_size(content_range: Option<&str>, length: u64) -> u64 {
    let total = content_range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    total.unwrap_or(length)
}

fn timestamp(time: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(time?.secs()).ok()
}

#[async_trait]
impl Store for S3 {
    fn name(&self) -> String {
        format!("the bucket {}", self.bucket)
    }

    async fn put_if_absent(
        &self,
        key: &Key,
        bytes: Bytes,
        lock_until: Option<Timestamp>,
    ) -> Result<Put> {
        if self.is_there(key).await? {
            return compare(self, key, &bytes).await;
        }
        match self.put(key, &bytes, lock_until, None).await {
            Ok(_) if !self.knows_conditions(key, &bytes).await => {
                tokio::time::sleep(SETTLED).await;
            }
            Ok(_) | Err(Error::AlreadyExists(_)) => {}
            Err(error) => return Err(error),
        }
        compare(self, key, &bytes).await
    }

    async fn begin_upload(
        &self,
        key: &Key,
        lock_until: Option<Timestamp>,
    ) -> Result<Box<dyn Upload>> {
        if self.is_there(key).await? {
            return Err(Error::AlreadyExists(key.to_string()));
        }
        Ok(Box::new(upload::S3Upload::begin(self, key, lock_until)))
    }

    async fn get(&self, key: &Key, span: Span) -> Result<Reading> {
        if span.end.is_some_and(|end| end <= span.start) {
            return span.within(key, 0).and(Err(Error::NotFound(key.to_string())));
        }
        let get = self.client.get_object().bucket(&*self.bucket).key(self.path(key));
        let got = match get.set_range(range(span)).send().await {
            // Which bytes there are is said better than by "416".
            Err(error) if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 416) => {
                let size = self.head(key).await?.size;
                return span.within(key, size).and(Err(Error::NotFound(key.to_string())));
            }
            got => got.map_err(|error| self.translate("reading", key, error))?,
        };
        let length = u64::try_from(got.content_length().unwrap_or_default()).unwrap_or_default();
        let size = whole_size(got.content_range(), length);
        let (start, end) = span.within(key, size)?;
        let key_of_body = key.clone();
        let body = stream::try_unfold(got.body, move |mut body| {
            let what = format!("reading {key_of_body}");
            async move {
                let next = body.try_next().await.map_err(|error| error::broken(&what, &error))?;
                Ok(next.map(|bytes| (bytes, body)))
            }
        });
        Ok(Reading::new(key, size, end.saturating_sub(start), self.patience.idle, body))
    }

    async fn head(&self, key: &Key) -> Result<Entry> {
        let head = self.look(key).await?;
        let size = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
        let modified = timestamp(head.last_modified()).unwrap_or_default();
        Ok(Entry { key: key.clone(), size, modified })
    }

    fn list(&self, folder: &Key) -> BoxStream<'static, Result<Entry>> {
        let (this, folder) = (self.clone(), folder.clone());
        let list = self.client.list_objects_v2().bucket(&*self.bucket);
        let pages = list.prefix(format!("{}/", self.path(&folder))).into_paginator().send();
        let pages = stream::unfold(pages, |mut pages| async {
            pages.next().await.map(|page| (page, pages))
        });
        let entries = pages.map(move |page| {
            let page = page.map_err(|error| this.translate("listing", &folder, error))?;
            let entry = |object: &aws_sdk_s3::types::Object| {
                let size = u64::try_from(object.size().unwrap_or_default()).ok()?;
                let modified = timestamp(object.last_modified()).unwrap_or_default();
                Some(Entry { key: this.key_of(object.key()?)?, size, modified })
            };
            let entries: Vec<_> = page.contents().iter().filter_map(entry).map(Ok).collect();
            Ok(stream::iter(entries))
        });
        entries.try_flatten().boxed()
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        for _ in 0..MOST_VERSIONS {
            let head = match self.look(key).await {
                Err(Error::NotFound(_)) => return Ok(()),
                head => head?,
            };
            // In a bucket with versions a plain delete hides the object and keeps its bytes, locked or
            // not; and behind the newest version there may be another.
            let version = head.version_id().filter(|version| *version != "null").map(str::to_owned);
            let has_version = version.is_some();
            // The lock is shown only to who may see it.
            let may_be_locked =
                head.object_lock_retain_until_date().is_some() || self.lock.is_some();
            match self.remove(key, version).await {
                Err(Error::Denied { .. }) if may_be_locked => {
                    return Err(Error::Locked(key.to_string()));
                }
                // Not allowed to remove versions: hidden is what these credentials can do.
                Err(Error::Denied { .. }) if has_version => return self.remove(key, None).await,
                Ok(()) if has_version => {}
                done => return done,
            }
        }
        let what = format!("deleting {key}");
        Err(Error::Other { what, detail: format!("it has more than {MOST_VERSIONS} versions") })
    }

    async fn unfinished(&self, folder: &Key) -> Result<Vec<Unfinished>> {
        let (mut found, mut after) = (Vec::new(), (None, None));
        loop {
            let list = self.client.list_multipart_uploads().bucket(&*self.bucket);
            let list = list.prefix(format!("{}/", self.path(folder)));
            let list = list.set_key_marker(after.0).set_upload_id_marker(after.1);
            let page =
                list.send().await.map_err(|error| self.translate("listing", folder, error))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                let key = self.key_of(upload.key()?)?;
                let modified = timestamp(upload.initiated()).unwrap_or_default();
                Some(Unfinished { key, upload: upload.upload_id()?.to_owned(), modified })
            }));
            let next = page.next_key_marker().filter(|next| !next.is_empty());
            if page.is_truncated() != Some(true) || next.is_none() {
                return Ok(found);
            }
            after = (next.map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        }
    }

    async fn remove_unfinished(&self, upload: &Unfinished) -> Result<()> {
        match self.abort(&upload.key, &upload.upload).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }
}
