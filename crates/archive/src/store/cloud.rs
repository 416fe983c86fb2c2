//! Google Cloud Storage and Azure Blob Storage, by `object_store`.
//!
//! **Not tested against the real services yet**, nor against an emulator: what is tested is the code that
//! they share with the other stores. Both put only if absent; an upload looks at the name just before
//! it is finished. Neither lists unfinished uploads through this crate: Azure drops uncommitted blocks
//! after a week, for GCS set a lifecycle rule `AbortIncompleteMultipartUpload`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
};

use super::{
    PART, Patience,
    objects::{Commit, Objects, error::translate},
};
use crate::{
    error::{Error, Result},
    key::Key,
};

/// A bucket of Google Cloud Storage. Without a key file the pod's own identity is used, or what
/// `GOOGLE_…` variables say.
pub fn gcs(
    bucket: &str,
    prefix: Option<Key>,
    key_file: Option<&Path>,
    patience: Patience,
) -> Result<Objects> {
    let name = format!("the bucket {bucket}");
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retries(patience))
        .with_client_options(client(patience));
    if let Some(file) = key_file {
        builder = builder.with_service_account_path(utf8(file)?);
    }
    let built = builder.build().map_err(|error| translate(&name, "opening", error))?;
    Ok(objects(name, prefix, Arc::new(built), patience))
}

/// A container of Azure Blob Storage. Without a key file the pod's own identity is used, or what
/// `AZURE_…` variables say.
pub fn azure(
    container: &str,
    account: Option<&str>,
    prefix: Option<Key>,
    key_file: Option<&Path>,
    patience: Patience,
) -> Result<Objects> {
    let name = format!("the container {container}");
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(retries(patience))
        .with_client_options(client(patience));
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    if let Some(file) = key_file {
        let key = std::fs::read_to_string(file)
            .map_err(|error| Error::Credentials(format!("{}: {error}", file.display())))?;
        builder = builder.with_access_key(key.trim());
    }
    let built = builder.build().map_err(|error| translate(&name, "opening", error))?;
    Ok(objects(name, prefix, Arc::new(built), patience))
}

fn objects(
    name: String,
    prefix: Option<Key>,
    inner: Arc<dyn ObjectStore>,
    patience: Patience,
) -> Objects {
    Objects { inner, name, prefix, commit: Commit::Check, part: PART, piece: None, patience }
}

/// Two more tries within the time of a call.
fn retries(patience: Patience) -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 2, retry_timeout: patience.call }
}

fn client(patience: Patience) -> ClientOptions {
    let connect = Duration::from_secs(5).min(patience.call);
    ClientOptions::new().with_connect_timeout(connect).with_timeout(patience.idle)
}

fn utf8(path: &Path) -> Result<&str> {
    let bad = || Error::BadInput(format!("{} is no UTF-8; rename the file", path.display()));
    path.to_str().ok_or_else(bad)
}
