//! What a TLS connection to a member needs: whom to trust, and who we are.
//!
//! Everything is checked when it is read, so that a certificate which does not fit its key is told
//! by its file and not by a failed connection later. A value is never renewed by itself: read the
//! files again and connect anew after a rotation.

use std::{fmt, fs, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// The certificates for connections to members.
#[derive(Clone)]
pub struct Tls {
    authorities: Certificate,
    identity: Option<Identity>,
}

/// Why certificates cannot be used. `what` is a path, or "the CA bundle" and the like.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{what} cannot be read; check the path and its permissions")]
    Read {
        /// The file.
        what: String,
        /// The operating system's words.
        source: io::Error,
    },
    /// There is no certificate where one is needed.
    #[error(
        "{what} holds no PEM certificate; give one that begins with -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate {
        /// The file.
        what: String,
    },
    /// The PEM text or what is in it is damaged.
    #[error("{what} cannot be used ({detail}); make it anew")]
    Damaged {
        /// The file.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// There is no private key where one is needed.
    #[error("{what} holds no unencrypted private key in PEM; give one of PKCS#8, PKCS#1 or SEC1")]
    NoKey {
        /// The file.
        what: String,
    },
    /// Key and certificate do not belong together, or the key's kind is not known.
    #[error("the certificate of {what} does not fit its key ({detail}); give the two of one pair")]
    Mismatch {
        /// The file with the certificate.
        what: String,
        /// What rustls says.
        detail: String,
    },
}

/// A PEM text and what it is called in errors.
struct Pem {
    what: String,
    text: Vec<u8>,
}

impl Tls {
    /// From PEM texts: the authorities that sign members' certificates, and the client's own chain
    /// and key, in this order, if etcd asks for them.
    pub fn from_pem(authorities: &[u8], own: Option<(&[u8], &[u8])>) -> Result<Self, TlsError> {
        let pem = |what: &str, text: &[u8]| Pem { what: what.to_owned(), text: text.to_vec() };
        let own = own
            .map(|(chain, key)| (pem("the client certificate", chain), pem("the client key", key)));
        Self::check(&pem("the CA bundle", authorities), own)
    }

    /// The same from files. They are read now and not again.
    pub fn from_files(authorities: &Path, own: Option<(&Path, &Path)>) -> Result<Self, TlsError> {
        let own = own.map(|(chain, key)| Ok((Pem::read(chain)?, Pem::read(key)?))).transpose()?;
        Self::check(&Pem::read(authorities)?, own)
    }

    fn check(authorities: &Pem, own: Option<(Pem, Pem)>) -> Result<Self, TlsError> {
        let roots = authorities.roots()?;
        let identity = own.map(|(chain, key)| identity(roots, &chain, &key)).transpose()?;
        Ok(Self { authorities: Certificate::from_pem(&authorities.text), identity })
    }

    /// tonic's form, for a member whose certificate must be for `name`.
    pub(crate) fn config(&self, name: Option<&str>) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().ca_certificate(self.authorities.clone());
        if let Some(identity) = &self.identity {
            config = config.identity(identity.clone());
        }
        match name {
            Some(name) => config.domain_name(name),
            None => config,
        }
    }
}

/// Says whether there is a client certificate and nothing of the certificates themselves.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("identity", &self.identity.is_some()).finish_non_exhaustive()
    }
}

impl TlsError {
    /// A fixed word for events, conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "CertificateUnreadable",
            Self::NoCertificate { .. } => "CertificateMissing",
            Self::Damaged { .. } => "CertificateDamaged",
            Self::NoKey { .. } => "KeyMissing",
            Self::Mismatch { .. } => "CertificateMismatch",
        }
    }
}

impl Pem {
    fn read(path: &Path) -> Result<Self, TlsError> {
        let what = path.display().to_string();
        match fs::read(path) {
            Ok(text) => Ok(Self { what, text }),
            Err(source) => Err(TlsError::Read { what, source }),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all = CertificateDer::pem_slice_iter(&self.text).collect::<Result<Vec<_>, _>>();
        let all = all.map_err(|error| self.damaged(&error))?;
        if all.is_empty() {
            return Err(TlsError::NoCertificate { what: self.what.clone() });
        }
        Ok(all)
    }

    /// tonic leaves authorities out that it cannot read; here each must be good.
    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.damaged(&error))?;
        }
        Ok(roots)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text)
            .map_err(|_| TlsError::NoKey { what: self.what.clone() })
    }

    fn damaged(&self, error: &dyn fmt::Display) -> TlsError {
        TlsError::Damaged { what: self.what.clone(), detail: error.to_string() }
    }
}

/// rustls itself is asked whether the two fit; its configuration is thrown away.
fn identity(roots: RootCertStore, chain: &Pem, key: &Pem) -> Result<Identity, TlsError> {
    let mismatch = |error: rustls::Error| TlsError::Mismatch {
        what: chain.what.clone(),
        detail: error.to_string(),
    };
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(mismatch)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.certificates()?, key.key()?)
        .map_err(mismatch)?;
    Ok(Identity::from_pem(&chain.text, &key.text))
}

#[cfg(test)]
mod tests;
