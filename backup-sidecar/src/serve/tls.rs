//! The certificates of the API. Clients must show one that the authority in `ca.crt` has signed.
//!
//! The files are read again when they change, as Kubernetes changes a mounted Secret: new connections
//! use the new ones, and new files that cannot be used leave the old ones in place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::time::Instant;

const FILES: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// The certificates, always as they are in their files.
pub(crate) struct Certificates {
    folder: PathBuf,
    /// The files are looked at this often at most.
    pace: Duration,
    current: Mutex<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    files: [Vec<u8>; 3],
    looked: Instant,
}

impl Certificates {
    /// Reads them from a folder. An error names the file and says what is wrong.
    pub(crate) async fn read(folder: &Path, pace: Duration) -> anyhow::Result<Self> {
        let files = read(folder).await?;
        let config = config(folder, &files)?;
        let current = Mutex::new(Current { config, files, looked: Instant::now() });
        Ok(Self { folder: folder.to_owned(), pace, current })
    }

    /// What a new connection is to use.
    pub(crate) async fn config(&self) -> Arc<ServerConfig> {
        if self.is_time() {
            match read(&self.folder).await {
                Ok(files) => self.renew(files),
                Err(error) => tracing::warn!("the old certificates stay in use: {error:#}"),
            }
        }
        self.current.lock().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Says so once for each span of time.
    fn is_time(&self) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = current.looked.elapsed() >= self.pace;
        if is_time {
            current.looked = Instant::now();
        }
        is_time
    }

    fn renew(&self, files: [Vec<u8>; 3]) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.files == files {
            return;
        }
        match config(&self.folder, &files) {
            Ok(config) => {
                tracing::info!("the certificates have changed; new connections use the new ones");
                current.config = config;
                current.files = files;
            }
            Err(error) => tracing::warn!("the old certificates stay in use: {error:#}"),
        }
    }
}

async fn read(folder: &Path) -> anyhow::Result<[Vec<u8>; 3]> {
    let mut files = [const { Vec::new() }; 3];
    for (name, file) in FILES.iter().zip(&mut files) {
        let path = folder.join(name);
        *file = tokio::fs::read(&path).await.with_context(|| {
            format!("{} cannot be read; the API needs it, see --tls-dir", path.display())
        })?;
    }
    Ok(files)
}

fn config(folder: &Path, files: &[Vec<u8>; 3]) -> anyhow::Result<Arc<ServerConfig>> {
    let [chain, key, authorities] = files;
    let path = |name: &str| folder.join(name).display().to_string();
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&path("ca.crt"), authorities)? {
        let add = roots.add(certificate);
        add.with_context(|| format!("{} is no authority's certificate", path("ca.crt")))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .with_context(|| format!("{} cannot be used", path("ca.crt")))?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .with_context(|| format!("{} holds no private key in PEM", path("tls.key")))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(&path("tls.crt"), chain)?, key)
        .with_context(|| format!("{} does not fit its key", path("tls.crt")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection is proved anew: after a rotation none lives on a ticket of the old authority.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(path: &str, pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let all = all.with_context(|| format!("{path} is damaged"))?;
    anyhow::ensure!(!all.is_empty(), "{path} holds no certificate in PEM");
    Ok(all)
}
