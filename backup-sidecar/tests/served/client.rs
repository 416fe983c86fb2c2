//! Certificates, and one request at a time.

use std::{net::SocketAddr, path::Path, sync::Arc};

use axum::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde::de::DeserializeOwned;
use testbed::PATIENCE;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// The name of the client that sidecars serve.
pub const NAME: &str = "kv-backup-client.shop.svc";

/// An authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key in PEM.
    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// Writes a server's certificate as Kubernetes mounts a Secret.
    pub fn install(&self, folder: &Path) {
        let (chain, key) = self.sign("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        for (name, text) in [("tls.crt", &chain), ("tls.key", &key), ("ca.crt", &self.0.pem())] {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    /// A connection's settings for a client that trusts this authority, with a certificate of the
    /// other for [`NAME`], or without any.
    pub fn trusted_by(&self, own: Option<&Self>) -> Arc<ClientConfig> {
        self.trusted_by_the_client(NAME, own)
    }

    /// The same with a certificate for this name.
    pub fn trusted_by_the_client(&self, name: &str, own: Option<&Self>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let Some(own) = own else { return Arc::new(builder.with_no_client_auth()) };
        let (chain, key) = own.sign(name, ExtendedKeyUsagePurpose::ClientAuth);
        let chain = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        Arc::new(builder.with_client_auth_cert(vec![chain], key).unwrap())
    }
}

/// One request by TLS, on a connection of its own.
pub async fn ask(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    method: Method,
    path: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await?;
    exchange(stream, method, path, body).await
}

/// One request without TLS.
pub async fn ask_plainly(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    exchange(TcpStream::connect(address).await?, Method::GET, path, "").await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: Method,
    path: &str,
    body: &str,
) -> anyhow::Result<Answer> {
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = request.body(Full::new(Bytes::from(body.to_owned())))?;
    let exchange = async {
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        drop(tokio::spawn(connection));
        let (parts, body) = send.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    };
    timeout(PATIENCE, exchange).await?
}
