//! Stands in until the crate `archive` reads the URLs of all stores.

use std::{path::PathBuf, str::FromStr, sync::Arc};

use archive::{
    Error,
    store::{Patience, Store, files::Files},
};

/// A folder.
#[derive(Debug)]
pub(crate) struct Location(PathBuf);

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let folder = text.strip_prefix("file://");
        folder.map(|folder| Self(folder.into())).ok_or_else(|| Error::BadInput(text.to_owned()))
    }
}

impl Location {
    pub(crate) async fn open(&self, patience: Patience) -> Result<Arc<dyn Store>, Error> {
        Ok(Arc::new(Files::open(&self.0, patience)?))
    }
}
