//! A backup sidecar as its API is seen: TLS, a list, manifests, data with ranges; and its bad days.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::backup::Stored;

/// How a request for data is answered.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// The connection breaks after so many bytes.
    Broken(usize),
    /// After so many bytes it waits; the first `Notify` says that it does, the second lets it go on.
    Waiting(usize, Arc<Notify>, Arc<Notify>),
    /// Something else than data.
    Refused(u16, &'static str),
}

/// A running sidecar with one backup. It ends with the test's runtime.
pub(crate) struct Sidecar {
    pub(crate) url: String,
    /// The client's certificates.
    pub(crate) tls: TempDir,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Sidecar {
    /// `answers` are for the first requests for data; later ones get all they ask for.
    pub(crate) async fn start(backup: &Stored, answers: impl IntoIterator<Item = Answer>) -> Self {
        let (authority, listener) =
            (Authority::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let tls = authority.client();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
        let asked = Arc::default();
        let served = Arc::new(Served {
            id: backup.id(),
            manifest: std::fs::read(backup.manifest_file()).unwrap(),
            data: std::fs::read(backup.data()).unwrap(),
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Arc::clone(&asked),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, served) = (acceptor.clone(), served.clone());
                tokio::spawn(async move { served.serve(acceptor, stream).await });
            }
        });
        Self { url, tls, asked }
    }

    /// What was asked for: the path, and `@` with the first byte where a range was.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

struct Served {
    id: String,
    manifest: Vec<u8>,
    data: Vec<u8>,
    answers: Mutex<VecDeque<Answer>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// One request for each connection. Errors end it: the client is gone or has no certificate.
    async fn serve(&self, acceptor: TlsAcceptor, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
        let (path, from) = head(&mut stream).await?;
        let at = from.map_or(String::new(), |from| format!("@{from}"));
        self.asked.lock().unwrap().push(format!("{path}{at}"));
        let stream = stream.get_mut();
        let backup = format!("/v1/backups/{}/", self.id);
        match path.strip_prefix(&backup) {
            _ if path == "/v1/backups" => answer(stream, "200 OK", &self.list()).await,
            Some("manifest") => answer(stream, "200 OK", &self.manifest).await,
            Some("data") => self.data(stream, from.unwrap_or_default()).await,
            _ => answer(stream, "404 Not Found", &error("there is no such plum")).await,
        }
    }

    fn list(&self) -> Vec<u8> {
        let time = "2026-11-22T16:49:06Z";
        let backup = json!({
            "id": self.id, "clusterUid": "0e1f-77", "reason": "on-demand", "etcdVersion": "3.6.16",
            "revision": 1, "compactRevision": 0, "rawSize": 1, "storedSize": 1, "manifestDigest": "",
            "startTime": time, "finishTime": time, "location": "s3://x",
        });
        json!({ "backups": [backup] }).to_string().into_bytes()
    }

    async fn data(&self, stream: &mut TlsStream<TcpStream>, from: usize) -> Option<()> {
        let next = self.answers.lock().unwrap().pop_front();
        if let Some(Answer::Refused(status, words)) = next {
            return answer(stream, &format!("{status} No"), &error(words)).await;
        }
        let (size, rest) = (self.data.len(), &self.data[from..]);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: {}\r\n\
             content-range: bytes {from}-{}/{size}\r\n\r\n",
            rest.len(),
            size - 1
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        let rest = match next {
            Some(Answer::Broken(after)) => {
                stream.write_all(&rest[..after]).await.ok()?;
                return stream.flush().await.ok();
            }
            Some(Answer::Waiting(after, waits, go_on)) => {
                stream.write_all(&rest[..after]).await.ok()?;
                stream.flush().await.ok()?;
                waits.notify_one();
                go_on.notified().await;
                &rest[after..]
            }
            _ => rest,
        };
        stream.write_all(rest).await.ok()?;
        stream.shutdown().await.ok()
    }
}

async fn head(stream: &mut BufReader<TlsStream<TcpStream>>) -> Option<(String, Option<usize>)> {
    let (mut path, mut from) = (String::new(), None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim_end().to_lowercase() {
            line if line.is_empty() => return Some((path, from)),
            line => {
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    from = range.strip_suffix('-')?.parse().ok();
                }
            }
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next()?.to_owned();
        }
    }
}

async fn answer(stream: &mut TlsStream<TcpStream>, status: &str, body: &[u8]) -> Option<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    stream.shutdown().await.ok()
}

fn error(message: &str) -> Vec<u8> {
    json!({ "reason": "NotFound", "message": message }).to_string().into_bytes()
}

/// An authority made for one test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), pem).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn sign(&self, folder: &Path) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let files = ["tls.crt", "tls.key"].map(|name| folder.join(name));
        std::fs::write(&files[0], signed.pem()).unwrap();
        std::fs::write(&files[1], key.serialize_pem()).unwrap();
        files
    }

    fn client(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.sign(folder.path());
        std::fs::copy(self.folder.path().join("ca.crt"), folder.path().join("ca.crt")).unwrap();
        folder
    }

    fn server(&self) -> ServerConfig {
        let [own, key] = self.sign(self.folder.path());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.folder.path().join("ca.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .unwrap();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![CertificateDer::from_pem_file(own).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap()
    }
}
