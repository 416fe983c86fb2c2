//! Where a store is, as one URL: `--store`, and the operator's configuration of the sidecar.
//!
//! ```text
//! s3://BUCKET/PREFIX?endpoint=URL&region=…&pathStyle=true&sse=AES256|aws:kms&kmsKey=…&lock=governance|compliance&lockDays=N
//! file:///FOLDER
//! gs://BUCKET/PREFIX
//! az://ACCOUNT/CONTAINER/PREFIX
//! ```
//!
//! Credentials never stand in it: they come from the environment, as the tools of each store take them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use crate::{
    error::{Error, Result},
    key::Key,
    store::{
        Patience, Store, cloud,
        files::Files,
        s3::{Encryption, Lock, S3, Settings},
    },
};

mod query;

use query::Query;

const FORMS: &str = "s3://BUCKET/PREFIX?endpoint=URL, file:///FOLDER, gs://BUCKET/PREFIX or \
                     az://ACCOUNT/CONTAINER/PREFIX";
/// Files with keys that are not in the environment's usual places.
const GCS_KEY_FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const AZURE_KEY_FILE: &str = "AZURE_STORAGE_KEY_FILE";

/// A place for backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A bucket of S3 or of a store that speaks its language.
    S3 {
        /// Which, and how it is spoken to.
        settings: Settings,
        /// For how many days nobody can delete a backup, if its bucket has object lock.
        lock_days: Option<u32>,
    },
    /// A folder of a file system.
    Files(PathBuf),
    /// A bucket of Google Cloud Storage.
    Gcs {
        /// The bucket.
        bucket: String,
        /// The folder in it.
        prefix: Option<Key>,
    },
    /// A container of Azure Blob Storage.
    Azure {
        /// The storage account.
        account: String,
        /// The container.
        container: String,
        /// The folder in it.
        prefix: Option<Key>,
    },
}

impl Location {
    /// Opens the store. Only a folder is looked at; others are asked nothing yet.
    pub async fn open(&self, patience: Patience) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::S3 { settings, .. } => Arc::new(S3::open(settings, patience).await),
            Self::Files(folder) => Arc::new(Files::open(folder, patience)?),
            Self::Gcs { bucket, prefix } => {
                let file = std::env::var_os(GCS_KEY_FILE).map(PathBuf::from);
                Arc::new(cloud::gcs(bucket, prefix.clone(), file.as_deref(), patience)?)
            }
            Self::Azure { account, container, prefix } => {
                let file = std::env::var_os(AZURE_KEY_FILE).map(PathBuf::from);
                let account = Some(account.as_str());
                let prefix = prefix.clone();
                Arc::new(cloud::azure(container, account, prefix, file.as_deref(), patience)?)
            }
        })
    }

    /// For how long from its start nobody can delete a backup; nothing when it is not locked.
    pub fn lock(&self) -> Option<SignedDuration> {
        let Self::S3 { lock_days: Some(days), .. } = self else { return None };
        Some(SignedDuration::from_hours(i64::from(*days) * 24))
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|_| unknown(text))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::BadInput(
                "the store's URL holds credentials; give them by the environment, such as \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            ));
        }
        let mut query = Query::read(&url)?;
        let location = match url.scheme() {
            "s3" => s3(text, &url, &mut query)?,
            "file" => Self::Files(folder(text, &url)?),
            "gs" => Self::Gcs { bucket: host(text, &url)?, prefix: prefix(&url, 0)? },
            "az" => azure(text, &url)?,
            _ => return Err(unknown(text)),
        };
        query.nothing_left(url.scheme())?;
        Ok(location)
    }
}

fn unknown(text: &str) -> Error {
    Error::BadInput(format!("{text:?} names no store; write {FORMS}"))
}

fn host(text: &str, url: &Url) -> Result<String> {
    match url.host_str() {
        Some(host) if !host.is_empty() && url.port().is_none() => Ok(host.to_owned()),
        _ => Err(unknown(text)),
    }
}

/// What stands in the path after its first `skip` segments.
fn prefix(url: &Url, skip: usize) -> Result<Option<Key>> {
    let segments = url.path_segments().into_iter().flatten().skip(skip);
    let segments: Vec<_> = segments.filter(|segment| !segment.is_empty()).collect();
    (!segments.is_empty()).then(|| segments.join("/").parse()).transpose()
}

fn folder(text: &str, url: &Url) -> Result<PathBuf> {
    let local = url.host_str().is_none_or(str::is_empty);
    local.then(|| url.to_file_path().ok()).flatten().ok_or_else(|| {
        Error::BadInput(format!(
            "{text:?} names no folder; write file:///FOLDER with three slashes"
        ))
    })
}

fn azure(text: &str, url: &Url) -> Result<Location> {
    let container =
        url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    if container.is_empty() {
        return Err(unknown(text));
    }
    let (account, container) = (host(text, url)?, container.to_owned());
    Ok(Location::Azure { account, container, prefix: prefix(url, 1)? })
}

fn s3(text: &str, url: &Url, query: &mut Query) -> Result<Location> {
    let (lock, lock_days) = lock(query)?;
    let settings = Settings {
        bucket: host(text, url)?,
        prefix: prefix(url, 0)?,
        endpoint: query.endpoint("endpoint")?,
        region: query.text("region"),
        path_style: query.yes_or_no("pathStyle")?,
        encryption: encryption(query)?,
        lock,
    };
    Ok(Location::S3 { settings, lock_days })
}

fn encryption(query: &mut Query) -> Result<Option<Encryption>> {
    let key = query.text("kmsKey");
    match (query.text("sse").as_deref(), key) {
        (None, None) => Ok(None),
        (Some("AES256"), None) => Ok(Some(Encryption::Aes256)),
        (Some("aws:kms") | None, key) => Ok(Some(Encryption::Kms(key))),
        (Some("AES256"), Some(_)) => {
            Err(Error::BadInput("kmsKey goes with sse=aws:kms; leave it out for AES256".to_owned()))
        }
        (Some(other), _) => {
            Err(Error::BadInput(format!("sse={other} is unknown; write AES256 or aws:kms")))
        }
    }
}

fn lock(query: &mut Query) -> Result<(Option<Lock>, Option<u32>)> {
    let days = query.number("lockDays")?;
    let mode = match query.text("lock").as_deref() {
        None => None,
        Some("governance") => Some(Lock::Governance),
        Some("compliance") => Some(Lock::Compliance),
        Some(other) => {
            let hint = "write governance or compliance";
            return Err(Error::BadInput(format!("lock={other} is unknown; {hint}")));
        }
    };
    if mode.is_some() != days.is_some() || days == Some(0) {
        let hint = "give both lock and lockDays, which is at least 1, or neither";
        return Err(Error::BadInput(hint.to_owned()));
    }
    Ok((mode, days))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below =
            |prefix: &Option<Key>| prefix.as_ref().map_or_else(String::new, |p| format!("/{p}"));
        match self {
            Self::S3 { settings, lock_days } => {
                write!(f, "s3://{}{}", settings.bucket, below(&settings.prefix))?;
                query::write(f, settings, *lock_days)
            }
            Self::Files(folder) => match Url::from_file_path(folder) {
                Ok(url) => write!(f, "{url}"),
                Err(()) => write!(f, "file://{}", folder.display()),
            },
            Self::Gcs { bucket, prefix } => write!(f, "gs://{bucket}{}", below(prefix)),
            Self::Azure { account, container, prefix } => {
                write!(f, "az://{account}/{container}{}", below(prefix))
            }
        }
    }
}

#[cfg(test)]
mod tests;
