//! Bodies that stream: bytes go from the store to the client as fast as both can, a few pieces at a
//! time in memory. A body that breaks off ends the connection, so the client sees that it is not whole.

use archive::download::Download;
use archive::store::Reading;
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, Failure};

/// Where a body's bytes come from.
enum Source {
    Stored(Reading),
    Decoded(Download),
}

impl Source {
    async fn next(&mut self) -> archive::Result<Option<Bytes>> {
        match self {
            Self::Stored(reading) => reading.next().await,
            Self::Decoded(download) => download.next().await,
        }
    }
}

impl Api {
    /// A permit to stream; there are few, so that many readers cannot exhaust the memory.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            Failure::later("TooManyStreams", "enough backups are being read; try again in a moment")
        })
    }
}

/// The stored bytes.
pub(super) fn stored(reading: Reading, permit: OwnedSemaphorePermit) -> Body {
    body(Source::Stored(reading), permit)
}

/// The database.
pub(super) fn decoded(download: Download, permit: OwnedSemaphorePermit) -> Body {
    body(Source::Decoded(download), permit)
}

fn body(source: Source, permit: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::try_unfold(
        (source, permit),
        async |(mut source, permit)| match source.next().await {
            Ok(Some(bytes)) => Ok(Some((bytes, (source, permit)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::warn!(reason = error.reason(), "a stream broke off: {error}");
                Err(error)
            }
        },
    ))
}
