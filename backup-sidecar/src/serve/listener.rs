//! Connections: so many at a time, each with limits for its handshake, its requests and its answers.
//!
//! At the limit nothing more is accepted; the next client waits until one of the others is done, which
//! all of them are at some time because of their own limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::client::ClientName;
use super::idle::Impatient;
use super::tls::Certificates;
use crate::metrics::Metrics;

/// After an accept that failed, which is for want of file descriptors as a rule.
const BREATHER: Duration = Duration::from_millis(100);

/// What clients may take. Tests make it small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Backups that are read at the same time; each holds some megabytes.
    pub(crate) streams: usize,
    /// For TLS to be agreed on.
    pub(crate) handshake: Duration,
    /// For the head of a request to come, and for a connection to be kept without one.
    pub(crate) head: Duration,
    /// For the body of a request to come.
    pub(crate) body: Duration,
    /// Bytes of the body of a request.
    pub(crate) body_size: usize,
    /// For the client to take the next bytes of an answer.
    pub(crate) idle: Duration,
    /// For answers to end once the server is to stop.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let [handshake, head, body, idle, drain] = [10, 30, 10, 60, 10].map(Duration::from_secs);
        let (connections, streams, body_size) = (256, 8, 64 << 10);
        Self { connections, streams, handshake, head, body, body_size, idle, drain }
    }
}

/// The clients that are served.
pub(crate) struct Clients {
    pub(crate) name: ClientName,
    /// What answers all others.
    pub(crate) refusal: Router,
}

/// A server on one address.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) routes: Router,
    /// Without them: plain HTTP.
    pub(crate) certificates: Option<Arc<Certificates>>,
    /// Who is served; others with a certificate of the authority are told so. Without: all of them.
    pub(crate) clients: Option<Clients>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
}

impl Server {
    /// Serves until `stop`, then until the answers that are under way have ended or their time is over.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        let this = Arc::new(self);
        loop {
            let accept = async {
                let place = places.clone().acquire_owned().await;
                (place, this.listener.accept().await)
            };
            let accepted = tokio::select! {
                accepted = accept => accepted,
                Some(_) = connections.join_next() => continue,
                () = stop.cancelled() => break,
            };
            match accepted {
                (Ok(place), Ok((stream, peer))) => {
                    let (this, stop) = (this.clone(), stop.clone());
                    connections.spawn(async move {
                        this.connection(stream, peer, stop).await;
                        drop(place);
                    });
                }
                (_, outcome) => {
                    tracing::warn!("no connection can be accepted: {:?}", outcome.err());
                    sleep(BREATHER).await;
                }
            }
        }
        let ended = async { while connections.join_next().await.is_some() {} };
        if timeout(this.limits.drain, ended).await.is_err() {
            tracing::warn!("some answers did not end in time and are broken off");
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        self.metrics.connected();
        let stream = Impatient::new(stream, self.limits.idle);
        match &self.certificates {
            None => self.http(stream, self.routes.clone(), stop).await,
            Some(certificates) => {
                let accept = TlsAcceptor::from(certificates.config().await).accept(stream);
                match timeout(self.limits.handshake, accept).await {
                    Ok(Ok(stream)) => {
                        let routes = self.routes_for(peer, stream.get_ref().1.peer_certificates());
                        self.http(stream, routes, stop).await;
                    }
                    Ok(Err(error)) => {
                        tracing::debug!("a client could not be agreed with on TLS: {error}");
                        self.metrics.handshake_failed();
                    }
                    Err(_) => self.metrics.handshake_failed(),
                }
            }
        }
        self.metrics.disconnected();
    }

    /// What answers a client that showed these certificates.
    fn routes_for(&self, peer: SocketAddr, chain: Option<&[CertificateDer<'_>]>) -> Router {
        match &self.clients {
            Some(clients) if !clients.name.is_borne_by(chain) => {
                tracing::warn!(%peer, "refused: the client's certificate is of another cluster");
                clients.refusal.clone()
            }
            _ => self.routes.clone(),
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        routes: Router,
        stop: CancellationToken,
    ) {
        let service = TowerToHyperService::new(routes);
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(64 << 10);
        let mut connection =
            std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("a connection broke: {error}");
        }
    }
}
