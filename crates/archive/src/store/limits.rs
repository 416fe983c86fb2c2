//! Time limits around calls.

use std::future::Future;
use std::time::Duration;

use crate::error::{Error, Result};

/// Ends a call that takes too long with [`Error::Timeout`].
pub(super) async fn within<T>(
    limit: Duration,
    what: impl FnOnce() -> String,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::Timeout(format!("{} ({limit:?})", what()))),
    }
}
