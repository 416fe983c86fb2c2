//! Single puts, and the ends of multipart uploads.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;

use super::{S3, body::Moved, client::unlimited};
use crate::{
    digest::Digest,
    error::{Error, Result},
    key::Key,
};

/// The object's metadata that tells one upload from another.
pub(super) const TOKEN: &str = "etcd-backup-upload";

impl S3 {
    /// Puts a small object if none is there, and gives the store's tag. [`Error::AlreadyExists`] when
    /// one is, as far as the store knows the condition; else it is replaced.
    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: &Bytes,
        lock_until: Option<Timestamp>,
        token: Option<&str>,
    ) -> Result<Option<String>> {
        match self.put_once(key, bytes, lock_until, token, true).await {
            Err(Error::Unsupported(_)) => self.put_once(key, bytes, lock_until, token, false).await,
            other => other,
        }
    }

    async fn put_once(
        &self,
        key: &Key,
        bytes: &Bytes,
        lock_until: Option<Timestamp>,
        token: Option<&str>,
        if_absent: bool,
    ) -> Result<Option<String>> {
        let (encryption, kms_key) = self.encryption();
        let (mode, until) = self.retention(lock_until);
        let metadata = token.map(|token| HashMap::from([(TOKEN.to_owned(), token.to_owned())]));
        let moved = Moved::default();
        let put = self.client.put_object().bucket(&*self.bucket).key(self.path(key));
        let put = put
            .set_if_none_match(if_absent.then(|| "*".to_owned()))
            .content_length(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .checksum_sha256(checksum(bytes))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_object_lock_mode(mode)
            .set_object_lock_retain_until_date(until)
            .set_metadata(metadata)
            .body(moved.body(bytes));
        let sending = put.customize().config_override(unlimited()).send();
        let sent = moved.while_moving(self.patience.idle, || format!("writing {key}"), sending);
        let done = sent.await?.map_err(|error| self.translate("writing", key, error))?;
        Ok(done.e_tag)
    }

    /// Removes the parts of an upload.
    pub(super) async fn abort(&self, key: &Key, upload: &str) -> Result<()> {
        let abort = self.client.abort_multipart_upload().bucket(&*self.bucket);
        let aborted = abort.key(self.path(key)).upload_id(upload).send().await;
        aborted.map(drop).map_err(|error| self.translate("aborting the upload of", key, error))
    }
}

/// As S3's headers write it.
pub(super) fn checksum(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(Digest::of(bytes).as_bytes())
}
