//! The certificates for the sidecar: who we are, and whom we trust.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};

use crate::restore::problem::Problem;

/// Reads `ca.crt`, `tls.crt` and `tls.key`.
pub(super) fn config(folder: &Path) -> Result<ClientConfig, Problem> {
    let failed = |name: &str, error: &dyn std::fmt::Display| {
        let file = folder.join(name);
        Problem::Usage(format!("the certificates for the sidecar: {}: {error}", file.display()))
    };
    let read = |name: &str| -> Result<Vec<CertificateDer<'static>>, Problem> {
        let found = CertificateDer::pem_file_iter(folder.join(name));
        found.and_then(Iterator::collect::<Result<_, pem::Error>>).map_err(|e| failed(name, &e))
    };
    let mut roots = RootCertStore::empty();
    let (trusted, _unusable) = roots.add_parsable_certificates(read("ca.crt")?);
    if trusted == 0 {
        return Err(failed("ca.crt", &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"));
    let key = key.map_err(|error| failed("tls.key", &error))?;
    let own = read("tls.crt")?;
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .and_then(|builder| builder.with_client_auth_cert(own, key))
        .map_err(|error| failed("tls.crt", &error))
}
