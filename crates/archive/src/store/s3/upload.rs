//! An object on its way into a bucket, part by part.

use std::pin::pin;

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

use super::{
    S3,
    body::Sent,
    client::{lasting, unlimited},
    put::{TOKEN, checksum},
};
use crate::{
    error::{Error, Result},
    key::Key,
    store::{Moved, PART, PARTS_IN_FLIGHT, Upload, Uploaded, parts::Parts, patiently},
};

/// The most parts that S3 takes: at 8 MiB each, 78 GiB of compressed data.
const MOST_PARTS: i32 = 10_000;

pub(super) struct S3Upload {
    store: S3,
    key: Key,
    lock_until: Option<Timestamp>,
    /// Tells the object of this upload from any other, when an answer was lost.
    pub(super) token: String,
    /// Of all its parts together.
    pub(super) moved: Moved,
    parts: Parts,
    /// The store's name for it, once the first part is full. Gone when it has come to an end.
    id: Option<String>,
    in_flight: JoinSet<Result<CompletedPart>>,
    done: Vec<CompletedPart>,
    sent: i32,
    written: u64,
}

impl S3Upload {
    /// Asks nothing of the store yet: what stays below one part is put in one piece.
    pub(super) fn begin(store: &S3, key: &Key, lock_until: Option<Timestamp>) -> Self {
        Self {
            store: store.clone(),
            key: key.clone(),
            lock_until,
            token: format!("{:016x}", fastrand::u64(..)),
            moved: Moved::default(),
            parts: Parts::default(),
            id: None,
            in_flight: JoinSet::new(),
            done: Vec::new(),
            sent: 0,
            written: 0,
        }
    }

    async fn create(&self) -> Result<String> {
        let (encryption, kms_key) = self.store.encryption();
        let (mode, until) = self.store.retention(self.lock_until);
        let create = self.store.client.create_multipart_upload().bucket(&*self.store.bucket);
        let created = create
            .key(self.store.path(&self.key))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .metadata(TOKEN, &self.token)
            .send()
            .await
            .map_err(|error| {
                let error = self.store.translate("uploading", &self.key, error);
                self.store.without_locks(error, self.lock_until)
            })?;
        created.upload_id.ok_or_else(|| {
            Error::Unavailable(format!("the store gave the upload of {} no name", self.key))
        })
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        if self.sent >= MOST_PARTS {
            let most = format!("more than {MOST_PARTS} parts for {}", self.key);
            return Err(Error::Unsupported(most));
        }
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.id.insert(self.create().await?).clone(),
        };
        while self.in_flight.len() >= PARTS_IN_FLIGHT {
            self.one_ends().await?;
        }
        self.sent = self.sent.saturating_add(1);
        let sent = Sent::counted_by(&self.moved);
        let sending = send_part(self.store.clone(), self.key.clone(), id, self.sent, part, sent);
        self.in_flight.spawn(sending);
        Ok(())
    }

    /// Waits until one of the parts in flight is stored. Each has its own limit.
    async fn one_ends(&mut self) -> Result<()> {
        match self.in_flight.join_next().await {
            None => {}
            Some(Ok(part)) => self.done.push(part?),
            Some(Err(error)) => {
                let what = format!("uploading {}", self.key);
                return Err(Error::Other { what, detail: error.to_string() });
            }
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<Option<String>> {
        let rest = self.parts.rest();
        if self.id.is_none() {
            let put = || self.store.put(&self.key, &rest, self.lock_until, Some(self));
            return self.surely(put).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while !self.in_flight.is_empty() {
            self.one_ends().await?;
        }
        self.done.sort_by_key(|part| part.part_number);
        self.surely(|| self.complete_if_absent()).await
    }

    async fn complete_if_absent(&self) -> Result<Option<String>> {
        match self.complete(true).await {
            Err(Error::Unsupported(_)) => self.complete(false).await,
            other => other,
        }
    }

    async fn complete(&self, if_absent: bool) -> Result<Option<String>> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.done.clone())).build();
        let complete = self.store.client.complete_multipart_upload().bucket(&*self.store.bucket);
        let complete = complete
            .key(self.store.path(&self.key))
            .set_upload_id(self.id.clone())
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .multipart_upload(parts);
        let completing = complete.customize().config_override(lasting(self.store.patience)).send();
        let completed = self.at_work(completing).await;
        let translate = |error| self.store.translate("finishing the upload of", &self.key, error);
        Ok(completed.map_err(translate)?.e_tag)
    }

    /// Counts the store's work on thousands of parts, of which nothing is seen, as movement. The call
    /// has a limit of its own.
    async fn at_work<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        loop {
            match tokio::time::timeout(self.store.patience.idle / 4, call.as_mut()).await {
                Ok(answer) => return answer,
                Err(_) => self.moved.add(1),
            }
        }
    }

    /// Makes the object visible, and tries again after a failure that may pass. After an answer was
    /// lost, or did not come in time, the object may be there all the same.
    async fn surely<F>(&self, make_visible: impl Fn() -> F) -> Result<Option<String>>
    where
        F: Future<Output = Result<Option<String>>>,
    {
        let attempt = || async {
            match make_visible().await {
                Err(error) => match self.or_ours(error).await {
                    // It was waited for long enough.
                    Err(error @ Error::Timeout(_)) => Ok(Err(error)),
                    other => other.map(Ok),
                },
                done => done.map(Ok),
            }
        };
        patiently(attempt).await?
    }

    /// What has the name now, or makes the upload unknown, may be this very upload.
    async fn or_ours(&self, error: Error) -> Result<Option<String>> {
        let may_be = matches!(error, Error::AlreadyExists(_) | Error::NotFound(_));
        if !may_be && !error.is_retryable() {
            return Err(error);
        }
        let Ok(head) = self.store.look(&self.key).await else { return Err(error) };
        let token = head.metadata().and_then(|metadata| metadata.get(TOKEN));
        if token == Some(&self.token) { Ok(head.e_tag) } else { Err(error) }
    }

    /// The store says success and keeps something else: seen with proxies and full stores.
    async fn confirm(&self, etag: Option<String>) -> Result<Uploaded> {
        let head = patiently(|| self.store.look(&self.key)).await?;
        let size = u64::try_from(head.content_length().unwrap_or_default()).unwrap_or_default();
        if size != self.written {
            let problem = format!("{} bytes were written, the store shows {size}", self.written);
            return Err(Error::damaged(&self.key, problem));
        }
        Ok(Uploaded { size, etag })
    }
}

async fn send_part(
    store: S3,
    key: Key,
    id: String,
    number: i32,
    part: Bytes,
    sent: Sent,
) -> Result<CompletedPart> {
    let what = || format!("uploading {key}");
    // A few milliseconds of a processor, which the other streams need not wait for.
    let hashing = spawn_blocking(move || (checksum(&part), part)).await;
    let internal = |error: JoinError| Error::Other { what: what(), detail: error.to_string() };
    let (sum, part) = hashing.map_err(internal)?;
    let upload = store.client.upload_part().bucket(&*store.bucket).key(store.path(&key));
    let upload = upload
        .upload_id(id)
        .part_number(number)
        .content_length(i64::try_from(part.len()).unwrap_or(i64::MAX))
        .checksum_sha256(&sum)
        .body(sent.body(&part));
    let sending = upload.customize().config_override(unlimited(store.patience)).send();
    let done = sent.while_moving(store.patience.idle, what, sending).await?;
    let done = done.map_err(|error| store.translate("uploading", &key, error))?;
    let stored = CompletedPart::builder().part_number(number).checksum_sha256(sum);
    Ok(stored.set_e_tag(done.e_tag).build())
}

#[async_trait]
impl Upload for S3Upload {
    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.written = self.written.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        while !bytes.is_empty() {
            if let Some(part) = self.parts.fill(&mut bytes, PART) {
                self.send(part).await?;
            }
        }
        Ok(())
    }

    fn moved(&self) -> Moved {
        self.moved.clone()
    }

    async fn finish(mut self: Box<Self>) -> Result<Uploaded> {
        let etag = self.commit().await?;
        let done = self.confirm(etag).await?;
        self.id = None;
        Ok(done)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        self.in_flight.shutdown().await;
        let Some(id) = self.id.take() else { return Ok(()) };
        match self.store.abort(&self.key, &id).await {
            Err(Error::NotFound(_)) => Ok(()),
            other => other,
        }
    }
}

/// Whoever drops it in the middle leaves nothing behind, if the store still answers.
impl Drop for S3Upload {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let (store, key) = (self.store.clone(), self.key.clone());
        self.in_flight.abort_all();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // What stays is found by `Store::unfinished`.
            drop(runtime.spawn(async move { drop(store.abort(&key, &id).await) }));
        }
    }
}

impl std::fmt::Debug for S3Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Upload({}, {} bytes)", self.key, self.written)
    }
}
