//! A member's database, streamed.
//!
//! This is an own call of `/etcdserverpb.Maintenance/Snapshot` (api/etcdserverpb/rpc.proto): the
//! blobs stay the buffers they were received in, and the field `version`, which etcd sends from 3.6,
//! is read whatever version of the protocol a client library knows.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::Channel;
use tokio::time::timeout;
use tonic::{Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::{Error, error::translate};

/// Bytes of the SHA-256 that etcd sends after the database.
pub const SNAPSHOT_DIGEST_BYTES: u64 = 32;

/// The bytes of `etcdctl snapshot save` as they come: the database, then its SHA-256. Nothing is
/// checked here but that the stream ends where etcd said it would. Dropping it ends the call.
pub struct SnapshotStream {
    endpoint: String,
    messages: Streaming<SnapshotMessage>,
    idle: Duration,
    /// The first blob, which was read to know what is coming.
    first: Option<Bytes>,
    database_bytes: u64,
    received: u64,
    version: Option<String>,
}

impl SnapshotStream {
    /// Bytes that will come in all, the trailing digest among them.
    pub fn total_bytes(&self) -> u64 {
        self.database_bytes.saturating_add(SNAPSHOT_DIGEST_BYTES)
    }

    /// The version of the data's format, `3.6.0`: with this etcd or a later one it can be restored.
    /// etcd says it from 3.6. (The server's own version is another one, see
    /// [`crate::MemberStatus::version`].)
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The next bytes; `None` once all of them came. [`Error::Timeout`] when the member sends nothing
    /// for as long as the idle limit, however long the whole takes.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => receive(&self.endpoint, &mut self.messages, self.idle).await?.map(|m| m.blob),
        };
        match &next {
            Some(blob) => self.received = self.received.saturating_add(length(blob)),
            None if self.received == self.total_bytes() => {}
            None => return Err(self.cut_short()),
        }
        Ok(next)
    }

    fn cut_short(&self) -> Error {
        Error::SnapshotIncomplete {
            endpoint: self.endpoint.clone(),
            received: self.received,
            expected: self.total_bytes(),
        }
    }
}

/// Asks for the database. `idle` is the longest the member may take for the first message and
/// between two of them.
pub(crate) async fn open(
    endpoint: &str,
    channel: Channel,
    idle: Duration,
) -> Result<SnapshotStream, Error> {
    let mut messages = match timeout(idle, request(channel)).await {
        Ok(answer) => answer.map_err(|status| translate(endpoint, &status))?,
        Err(_) => return Err(idle_too_long(endpoint, idle)),
    };
    let endpoint = endpoint.to_owned();
    let Some(first) = receive(&endpoint, &mut messages, idle).await? else {
        return Err(Error::SnapshotIncomplete { endpoint, received: 0, expected: 0 });
    };
    Ok(SnapshotStream {
        endpoint,
        messages,
        idle,
        database_bytes: first.remaining_bytes.saturating_add(length(&first.blob)),
        received: 0,
        version: Some(first.version).filter(|version| !version.is_empty()),
        first: Some(first.blob),
    })
}

async fn request(channel: Channel) -> Result<Streaming<SnapshotMessage>, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(Status::from_error)?;
    let path = PathAndQuery::from_static("/etcdserverpb.Maintenance/Snapshot");
    let asking = grpc.server_streaming(Request::new(SnapshotRequest {}), path, codec());
    Ok(asking.await?.into_inner())
}

fn codec() -> ProstCodec<SnapshotRequest, SnapshotMessage> {
    ProstCodec::default()
}

async fn receive(
    endpoint: &str,
    messages: &mut Streaming<SnapshotMessage>,
    idle: Duration,
) -> Result<Option<SnapshotMessage>, Error> {
    match timeout(idle, messages.message()).await {
        Ok(message) => message.map_err(|status| translate(endpoint, &status)),
        Err(_) => Err(idle_too_long(endpoint, idle)),
    }
}

fn idle_too_long(endpoint: &str, idle: Duration) -> Error {
    Error::Timeout(format!("{endpoint} sent nothing of its snapshot for {idle:?}"))
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotMessage {
    #[prost(uint64, tag = "2")]
    remaining_bytes: u64,
    #[prost(bytes = "bytes", tag = "3")]
    blob: Bytes,
    #[prost(string, tag = "4")]
    version: String,
}
