//! A backup sidecar as the place of backups: its API over mutual TLS.

mod tls;

use std::{path::Path, time::Duration};

use api::sidecar::{ApiError, BackupList};
use archive::{
    Error, catalogue::Committed, digest::Digest, download::Origin, layout::BackupId,
    manifest::Manifest,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http_body_util::{BodyDataStream, BodyExt, Collected, Empty, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, header};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::time::timeout;
use url::Url;

use super::problem::Problem;

/// Until a connection stands, and until an answer begins.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// Until the next bytes of an answer come.
const IDLE: Duration = Duration::from_mins(1);
/// Lists and manifests; a backup in a list takes some 500 bytes.
const LARGEST: usize = 8 << 20;

type Https = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// One sidecar.
#[derive(Debug, Clone)]
pub(crate) struct Sidecar {
    url: Url,
    client: Https,
}

impl Sidecar {
    /// Reads the certificates; nothing is asked yet.
    pub(crate) fn new(url: Url, tls_dir: &Path) -> Result<Self, Problem> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.enforce_http(false);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(tls_dir)?)
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self { url, client: Client::builder(TokioExecutor::new()).build(https) })
    }

    /// The backup of this ID, or the newest, and the UID under which it is asked for.
    pub(crate) async fn find(
        &self,
        id: Option<BackupId>,
        uid: Option<&str>,
    ) -> Result<(Committed, Option<String>), Problem> {
        let id = match id {
            Some(id) => id,
            None => self.newest(uid).await?,
        };
        let bytes = self.small(&self.backup(id, uid, "manifest")).await?;
        let manifest = Manifest::from_bytes(&format!("backup {id}"), &bytes)?;
        if manifest.id != id {
            let problem = format!("its manifest is of backup {}", manifest.id);
            return Err(Error::damaged(format!("backup {id}"), problem).into());
        }
        let digest = Digest::of(&bytes);
        Ok((Committed { manifest, digest }, uid.map(str::to_owned)))
    }

    async fn newest(&self, uid: Option<&str>) -> Result<BackupId, Problem> {
        let mut url = self.at("/v1/backups");
        // Without a UID the sidecar's own cluster is meant, with one perhaps an earlier.
        url.set_query(uid.map(|_| "all=true"));
        let bytes = self.small(&url).await?;
        let list: BackupList = serde_json::from_slice(&bytes)
            .map_err(|error| other(&url, format!("the list cannot be read: {error}")))?;
        let mut backups = list.backups.into_iter();
        let found = backups.find(|backup| uid.is_none_or(|uid| backup.cluster_uid == uid));
        let none = || Problem::NoBackup(format!("{} holds no backup that is meant", self.url));
        Ok(found.ok_or_else(none)?.id.parse()?)
    }

    /// The way to a backup's data.
    pub(crate) fn data(&self, manifest: &Manifest, uid: Option<&str>) -> Data {
        let url = self.backup(manifest.id, uid, "data");
        Data { sidecar: self.clone(), url, size: manifest.stored.size }
    }

    fn backup(&self, id: BackupId, uid: Option<&str>, what: &str) -> Url {
        let mut url = self.at(&format!("/v1/backups/{id}/{what}"));
        if let Some(uid) = uid {
            url.query_pairs_mut().append_pair("uid", uid);
        }
        url
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// A small answer as a whole.
    async fn small(&self, url: &Url) -> Result<Bytes, Error> {
        whole(url, self.get(url, None).await?).await
    }

    async fn get(&self, url: &Url, range: Option<u64>) -> Result<Response<Incoming>, Error> {
        let mut request = Request::get(url.as_str());
        if let Some(from) = range {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::new()).map_err(|error| other(url, error))?;
        let answer = timeout(ANSWER, self.client.request(request)).await;
        let answer = answer.map_err(|_| Error::Timeout(format!("asking {url}")))?;
        let answer = answer.map_err(|error| unavailable(url, &error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(url, answer).await) }
    }
}

/// The stored bytes of one backup.
#[derive(Debug)]
pub(crate) struct Data {
    sidecar: Sidecar,
    url: Url,
    /// What the manifest says.
    size: u64,
}

#[async_trait]
impl Origin for Data {
    async fn read(&self, from: u64) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let answer = self.sidecar.get(&self.url, Some(from)).await?;
        let unclear = || other(&self.url, "the answer does not say which bytes it holds");
        let (start, size) = extent(&answer).ok_or_else(unclear)?;
        if start != from {
            return Err(other(
                &self.url,
                format!("bytes from {from} on were asked for, not {start}"),
            ));
        }
        if size != self.size {
            let problem = format!("it has {size} bytes where its manifest says {}", self.size);
            return Err(Error::damaged(&self.url, problem));
        }
        Ok(pieces(self.url.clone(), answer.into_body()))
    }
}

/// The first byte of an answer and the size of the whole.
fn extent(answer: &Response<Incoming>) -> Option<(u64, u64)> {
    let header = |name| answer.headers().get(name)?.to_str().ok();
    if answer.status() != StatusCode::PARTIAL_CONTENT {
        return Some((0, header(header::CONTENT_LENGTH)?.parse().ok()?));
    }
    let (range, size) = header(header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, size.parse().ok()?))
}

/// The bytes of an answer, each waited for with a limit.
fn pieces(url: Url, body: Incoming) -> BoxStream<'static, Result<Bytes, Error>> {
    let stream = BodyDataStream::new(body);
    futures::stream::try_unfold((stream, url), |(mut stream, url)| async move {
        let next = timeout(IDLE, stream.try_next()).await;
        let next = next.map_err(|_| Error::Timeout(format!("reading {url}")))?;
        let next = next.map_err(|error| unavailable(&url, &error))?;
        Ok(next.map(|bytes| (bytes, (stream, url))))
    })
    .boxed()
}

async fn whole(url: &Url, answer: Response<Incoming>) -> Result<Bytes, Error> {
    let body = timeout(IDLE, Limited::new(answer.into_body(), LARGEST).collect()).await;
    let body = body.map_err(|_| Error::Timeout(format!("reading {url}")))?;
    body.map(Collected::to_bytes).map_err(|error| unavailable(url, &*error))
}

/// What the sidecar says, in the terms of a store.
async fn refused(url: &Url, answer: Response<Incoming>) -> Error {
    let status = answer.status();
    let said = match whole(url, answer).await {
        Ok(bytes) => serde_json::from_slice::<ApiError>(&bytes).ok(),
        Err(error) => return error,
    };
    let reason = said.as_ref().map(|said| said.reason.clone()).unwrap_or_default();
    let words = said.map_or_else(|| format!("{url} answered {status}"), |said| said.message);
    match (reason.as_str(), status) {
        ("Damaged", _) | (_, StatusCode::RANGE_NOT_SATISFIABLE) => Error::damaged(url, words),
        (_, StatusCode::NOT_FOUND) => Error::NotFound(words),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Error::Credentials(words),
        (_, StatusCode::TOO_MANY_REQUESTS) => Error::Throttled(words),
        _ if status.is_server_error() => Error::Unavailable(words),
        _ => other(url, words),
    }
}

fn unavailable(url: &Url, error: &(dyn std::error::Error + 'static)) -> Error {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let words: Vec<_> = [url.to_string(), error.to_string()]
        .into_iter()
        .chain(causes.map(ToString::to_string))
        .collect();
    Error::Unavailable(words.join(": "))
}

#[allow(clippy::needless_pass_by_value, reason = "it stands alone in map_err")]
fn other(url: &Url, detail: impl ToString) -> Error {
    Error::Other { what: format!("asking {url}"), detail: detail.to_string() }
}
