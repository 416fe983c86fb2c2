//! A server, its certificates, and clients.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::serve::api::Api;
use crate::serve::engine::tests::world::World;
use crate::serve::listener::{Clients, Limits, Server};
use crate::serve::tls::Certificates;

/// Whatever is waited for comes sooner.
const DEADLINE: Duration = Duration::from_secs(30);
/// The files are looked at with each connection.
pub(super) const PACE: Duration = Duration::ZERO;

/// The name of the client that is served.
pub(super) const CLIENT: &str = "kv-backup-client.shop.svc";

/// An authority.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key in PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.0).unwrap().pem();
        Pair { chain, key: key.serialize_pem() }
    }

    pub(super) fn client(&self) -> Pair {
        self.sign(CLIENT, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Makes a server's certificate and writes it as Kubernetes mounts a Secret.
    pub(super) fn install(&self, folder: &Path) {
        let server = self.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        for (name, text) in
            [("tls.crt", &server.chain), ("tls.key", &server.key), ("ca.crt", &self.0.pem())]
        {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

/// A server with an engine behind it.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) authority: Authority,
    pub(super) folder: tempfile::TempDir,
    pub(super) address: std::net::SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Site {
    /// Limits as in production, no backups so far but the first, which is awaited.
    pub(super) async fn new() -> Self {
        let site = Self::with(World::new(), Limits::default()).await;
        site.until(async || site.world.status().backups == 1).await;
        site
    }

    pub(super) async fn with(mut world: World, limits: Limits) -> Self {
        world.start();
        let authority = Authority::new();
        let folder = tempfile::tempdir().unwrap();
        authority.install(folder.path());
        let certificates = Certificates::read(folder.path(), PACE).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let asks = world.asks.clone();
        let api = Api::new(world.shown.clone(), asks, limits, metrics.clone(), world.is_reader);
        let certificates = Some(Arc::new(certificates));
        let clients = Some(Clients { name: CLIENT.parse().unwrap(), refusal: api.refusal() });
        let routes = api.routes();
        let server = Server { listener, routes, certificates, clients, limits, metrics };
        let stop = CancellationToken::new();
        let server = tokio::spawn(server.run(stop.clone()));
        Self { world, authority, folder, address, stop, server }
    }

    pub(super) async fn client(&self) -> Client {
        let pair = self.authority.client();
        Client::connect(self.address, &self.authority, Some(&pair)).await.unwrap()
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Answer {
        self.client().await.ask(method, path, &[], "").await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path).await
    }

    /// Waits for a claim to become true.
    pub(super) async fn until(&self, claim: impl AsyncFn() -> bool) {
        let all = async {
            while !claim().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(DEADLINE, all).await.expect("it did not become true in time");
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.server).await.unwrap().unwrap();
    }
}

/// A connection.
pub(super) struct Client(SendRequest<Full<Bytes>>);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and the fixed word of the error.
    pub(super) fn error(&self) -> (u16, String) {
        let error: api::sidecar::ApiError = self.json();
        assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
        (self.status.as_u16(), error.reason)
    }
}

impl Client {
    /// An error is one of TLS.
    pub(super) async fn connect(
        address: std::net::SocketAddr,
        authority: &Authority,
        own: Option<&Pair>,
    ) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        drop(tokio::spawn(connection));
        Ok(Self(send))
    }

    /// The answer without its body; an error if the connection breaks.
    pub(super) async fn begin(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<axum::http::Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        tokio::time::timeout(DEADLINE, self.0.send_request(request))
            .await
            .expect("no answer in time")
    }

    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.begin(method, path, headers, body).await.unwrap();
        let (parts, body) = response.into_parts();
        let body =
            tokio::time::timeout(DEADLINE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
