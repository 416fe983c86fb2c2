//! Time limits around calls, and pauses between them.

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

/// Waits between the tries of a small call on which the work of a whole backup hangs.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

/// Tries again after a failure that may pass.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    for pause in PAUSES {
        match call().await {
            Err(error) if error.is_retryable() => tokio::time::sleep(pause).await,
            other => return other,
        }
    }
    call().await
}
