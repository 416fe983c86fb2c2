//! Single puts, and the ends of multipart uploads.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;

use super::{S3, body::Sent, client::unlimited, upload::S3Upload};
use crate::{
    digest::Digest,
    error::{Error, Result},
    key::Key,
};

/// The object's metadata that tells one upload from another.
pub(super) const TOKEN: &str = "etcd-backup-upload";

impl S3 {
    /// Puts a small object if none is there, and gives the store's tag. [`Error::AlreadyExists`] when
    /// one is, as far as the store knows the condition; else it is replaced. `upload` is what it is the
    /// whole of.
    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: &Bytes,
        lock_until: Option<Timestamp>,
        upload: Option<&S3Upload>,
    ) -> Result<Option<String>> {
        match self.put_once(key, bytes, lock_until, upload, true).await {
            Err(Error::Unsupported(_)) => {
                self.put_once(key, bytes, lock_until, upload, false).await
            }
            other => other,
        }
    }

    /// Whether the store was seen to refuse a name that is taken. Asked once, with an object that was
    /// just put: to put the same bytes again changes nothing. While it cannot be told, it is not known.
    pub(super) async fn knows_conditions(&self, key: &Key, bytes: &Bytes) -> bool {
        if let Some(known) = self.knows_conditions.get() {
            return *known;
        }
        let known = match self.put_once(key, bytes, None, None, true).await {
            Err(Error::AlreadyExists(_)) => true,
            Ok(_) | Err(Error::Unsupported(_)) => false,
            Err(_) => return false,
        };
        *self.knows_conditions.get_or_init(|| known)
    }

    async fn put_once(
        &self,
        key: &Key,
        bytes: &Bytes,
        lock_until: Option<Timestamp>,
        upload: Option<&S3Upload>,
        if_absent: bool,
    ) -> Result<Option<String>> {
        let (encryption, kms_key) = self.encryption();
        let (mode, until) = self.retention(lock_until);
        let metadata = upload.map(|one| HashMap::from([(TOKEN.to_owned(), one.token.clone())]));
        let sent = upload.map_or_else(Sent::default, |one| Sent::counted_by(&one.moved));
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
            .body(sent.body(bytes));
        let sending = put.customize().config_override(unlimited(self.patience)).send();
        let sent = sent.while_moving(self.patience.idle, || format!("writing {key}"), sending);
        let failed = |error| self.without_locks(self.translate("writing", key, error), lock_until);
        let done = sent.await?.map_err(failed)?;
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
