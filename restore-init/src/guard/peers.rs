//! Asking one existing member who the members are.
//!
//! Every etcd answers `GET /members` on its peer port with the list that it knows, also as a learner,
//! also without quorum, and past etcd's authentication (server/etcdserver/api/etcdhttp/peer.go).

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::TcpStream, time::timeout};

/// The longest one member may take, from dialling to the last byte.
const PATIENCE: Duration = Duration::from_secs(1);

/// The largest answer that is read. Seven members take less than 3 KiB.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A member, as its peers list it. What else they say is left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Member {
    /// Empty until the member has started for the first time.
    #[serde(default)]
    pub name: String,
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
}

impl Member {
    /// A member publishes its name when it has a log and has joined, and never before.
    pub(crate) fn has_started(&self) -> bool {
        !self.name.is_empty()
    }
}

/// Why a member gave no list.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no answer within {PATIENCE:?}")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("no connection: {0}")]
    Dial(#[from] std::io::Error),
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer was cut off or larger than {LARGEST_ANSWER} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("its answer is no member list: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the request could not be made: {0}")]
    Request(#[from] hyper::http::Error),
}

/// The members as `peer` knows them, within [`PATIENCE`].
pub(crate) async fn members(peer: SocketAddr) -> Result<Vec<Member>, AskError> {
    timeout(PATIENCE, ask(peer)).await?
}

async fn ask(peer: SocketAddr) -> Result<Vec<Member>, AskError> {
    let stream = TokioIo::new(TcpStream::connect(peer).await?);
    let (mut sender, connection) = http1::handshake(stream).await?;
    let request = Request::get("/members")
        .header("Host", peer.to_string())
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())?;
    let answering = async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(AskError::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        Ok(serde_json::from_slice(&body.map_err(AskError::Body)?.to_bytes())?)
    };
    // The connection is driven here and not by a task, so that giving up the question closes it.
    tokio::pin!(answering);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        members = &mut answering => members,
        ended = &mut connection => {
            ended?;
            answering.await
        }
    }
}
