//! Reading on after a connection broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use tokio::sync::mpsc::Sender;

use super::Origin;
use crate::error::{Error, Result};

/// Waits before the next try, as long as no byte comes in between.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// Sends `size` bytes of the origin, or the error that stays. `received` counts them.
pub(super) async fn read(
    what: String,
    origin: Arc<dyn Origin>,
    size: u64,
    received: Arc<AtomicU64>,
    out: Sender<Result<Bytes>>,
) {
    let mut pauses = PAUSES.into_iter();
    loop {
        let before = received.load(Ordering::Relaxed);
        let error = match pass_on(&*origin, &received, &out).await {
            Ok(()) if received.load(Ordering::Relaxed) >= size => return,
            Ok(()) => Error::Unavailable(format!("reading {what} ended before the last byte")),
            Err(error) => error,
        };
        if received.load(Ordering::Relaxed) > before {
            pauses = PAUSES.into_iter();
        }
        match pauses.next() {
            Some(pause) if error.is_retryable() => tokio::time::sleep(pause).await,
            _ => {
                // Nobody listens any more when the download was dropped.
                let _nobody_listens = out.send(Err(error)).await;
                return;
            }
        }
    }
}

async fn pass_on(
    origin: &dyn Origin,
    received: &AtomicU64,
    out: &Sender<Result<Bytes>>,
) -> Result<()> {
    let mut stream = origin.read(received.load(Ordering::Relaxed)).await?;
    while let Some(bytes) = stream.try_next().await? {
        received.fetch_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let nobody_listens = |_| Error::Unsupported("a download that was dropped".to_owned());
        out.send(Ok(bytes)).await.map_err(nobody_listens)?;
    }
    Ok(())
}
