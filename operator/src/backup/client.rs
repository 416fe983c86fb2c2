//! The sidecar's API on [`api::ports::SIDECAR`], as the operator calls it: mutual TLS, JSON, one
//! connection for each call.
//!
//! The sidecar is dialled by its Service's address. Its name is never looked up: DNS remembers for
//! half a minute that a name was not there yet. Every call has a limit.

#[cfg(test)]
pub(super) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::sidecar::{ApiError, BackupList, BackupOrder, BackupRequest, SidecarStatus, StoredBackup};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::pki::Pair;

const CONNECT: Duration = Duration::from_secs(5);
/// For an answer that nothing is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the sidecar is asked to wait for news.
const WAIT: Duration = Duration::from_secs(30);
/// How long a call may last beyond the wait that it asked for.
const SLACK: Duration = Duration::from_secs(10);
/// Removing an archive is many deletions.
const REMOVAL: Duration = Duration::from_secs(30);
/// A list of some ten thousand backups.
const LARGEST: usize = 32 << 20;

/// Calls one cluster's sidecar.
pub struct SidecarClient {
    address: SocketAddr,
    host: String,
    server: ServerName<'static>,
    tls: TlsConnector,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Our own certificates cannot be used.
    #[error("the client certificate cannot be used ({0}); delete its Secret to have it made anew")]
    Certificate(String),
    /// No connection.
    #[error("it cannot be reached ({0})")]
    Unreachable(String),
    /// No answer in time.
    #[error("it does not answer within {0:?}")]
    Timeout(Duration),
    /// It says no.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its fixed word.
        reason: String,
        /// Its sentence.
        message: String,
    },
    /// An answer that this operator does not understand.
    #[error("its answer cannot be read ({0}); do operator and sidecar belong together?")]
    Unreadable(String),
}

impl ClientError {
    /// A fixed word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "CertificateFailed",
            Self::Unreachable(_) => "SidecarUnreachable",
            Self::Timeout(_) => "SidecarTimeout",
            Self::Refused { .. } => "SidecarRefused",
            Self::Unreadable(_) => "SidecarUnreadable",
        }
    }

    fn unreachable(error: &dyn std::error::Error) -> Self {
        let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::Unreachable(format!("{error}{cause}"))
    }
}

impl SidecarClient {
    /// For the sidecar at this address, which must prove to be `host`.
    pub fn new(
        address: SocketAddr,
        host: &str,
        trusted: &str,
        own: &Pair,
    ) -> Result<Self, ClientError> {
        let server = ServerName::try_from(host.to_owned())
            .map_err(|error| ClientError::Certificate(error.to_string()))?;
        let config = Arc::new(tls(trusted, own).map_err(ClientError::Certificate)?);
        Ok(Self { address, host: host.to_owned(), server, tls: TlsConnector::from(config) })
    }

    /// Its status: at once, or as soon as it is another than that with the number `after`.
    pub async fn status(&self, after: Option<u64>) -> Result<SidecarStatus, ClientError> {
        match after {
            None => self.read(Method::GET, "/v1/status", None, ANSWER).await,
            Some(number) => {
                let path = format!("/v1/status?after={number}&wait={}s", WAIT.as_secs());
                self.read(Method::GET, &path, None, WAIT + SLACK).await
            }
        }
    }

    /// The stored backups of this cluster, newest first.
    pub async fn backups(&self) -> Result<Vec<StoredBackup>, ClientError> {
        self.list().await.map(|list| list.backups)
    }

    /// The same, and where they are.
    pub async fn list(&self) -> Result<BackupList, ClientError> {
        self.read(Method::GET, "/v1/backups", None, ANSWER + SLACK).await
    }

    /// What is stored now of all clusters that bore this name, and where.
    pub async fn all_backups(&self) -> Result<BackupList, ClientError> {
        self.read(Method::GET, "/v1/backups?all=true", None, ANSWER + SLACK).await
    }

    /// Orders a backup under an ID of the caller's, and waits so long for its end. The same ID again
    /// is the same order.
    pub async fn order(
        &self,
        id: &str,
        order: &BackupOrder,
        wait: Duration,
    ) -> Result<BackupRequest, ClientError> {
        let body = serde_json::to_vec(order)
            .map_err(|error| ClientError::Unreadable(error.to_string()))?;
        let path = match wait.as_secs() {
            0 => format!("/v1/requests/{id}"),
            seconds => format!("/v1/requests/{id}?wait={seconds}s"),
        };
        self.read(Method::PUT, &path, Some(body), ANSWER + wait).await
    }

    /// How far an order is; `None` when nobody gave it, or a sidecar that was stopped before it
    /// began forgot it.
    pub async fn request(&self, id: &str) -> Result<Option<BackupRequest>, ClientError> {
        match self.read(Method::GET, &format!("/v1/requests/{id}"), None, ANSWER).await {
            Ok(request) => Ok(Some(request)),
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes one stored backup; one that is not there is removed already.
    pub async fn remove(&self, id: &str) -> Result<(), ClientError> {
        self.removed(&format!("/v1/backups/{id}"), ANSWER).await
    }

    /// Removes all stored backups of this cluster.
    pub async fn remove_archive(&self) -> Result<(), ClientError> {
        self.removed("/v1/archive", REMOVAL).await
    }

    async fn removed(&self, path: &str, limit: Duration) -> Result<(), ClientError> {
        match self.call(Method::DELETE, path, None, limit).await {
            Ok(_) | Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<T, ClientError> {
        let answer = self.call(method, path, body, limit).await?;
        serde_json::from_slice(&answer).map_err(|error| ClientError::Unreadable(error.to_string()))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Bytes, ClientError> {
        let (status, body) = timeout(limit, self.exchange(method, path, body))
            .await
            .map_err(|_| ClientError::Timeout(limit))??;
        if status.is_success() {
            return Ok(body);
        }
        let (reason, message) = match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => (error.reason, error.message),
            Err(_) => ("Refused".into(), format!("it answers {status} to {path}")),
        };
        Err(ClientError::Refused { status, reason, message })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| ClientError::Unreadable(error.to_string()))?;
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::unreachable(&error))?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            whole(answer.into_body()).await.map(|body| (status, body))
        };
        // The connection moves the bytes while the answer is waited for, and ends with it.
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer.map_err(|error| ClientError::unreachable(error.as_ref())),
            ended = connection => match ended {
                Ok(()) => answer.await.map_err(|error| ClientError::unreachable(error.as_ref())),
                Err(error) => Err(ClientError::unreachable(&error)),
            },
        }
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ClientError> {
        let connecting = async {
            let stream = TcpStream::connect(self.address).await?;
            self.tls.connect(self.server.clone(), stream).await
        };
        timeout(CONNECT, connecting)
            .await
            .map_err(|_| ClientError::Unreachable(format!("no connection within {CONNECT:?}")))?
            .map_err(|error| ClientError::unreachable(&error))
    }
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn whole(body: hyper::body::Incoming) -> Result<Bytes, AnyError> {
    Ok(Limited::new(body, LARGEST).collect().await?.to_bytes())
}

fn tls(trusted: &str, own: &Pair) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(trusted)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    let key = PrivateKeyDer::from_pem_slice(own.key.expose().as_bytes())
        .map_err(|error| error.to_string())?;
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&own.certificate)?, key)
        .map_err(|error| error.to_string())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("no certificate in it".into()) } else { Ok(certificates) }
}
