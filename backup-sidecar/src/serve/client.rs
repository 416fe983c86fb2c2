//! Which clients of the authority are served: those whose certificate bears the name that the
//! configuration has. One authority signs the certificates of all clusters, and whoever may read the
//! backups of one must not read those of another.
//!
//! TLS has proved by then that the certificate is the client's own and signed by the authority.

use std::str::FromStr;

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

/// The name that the certificate of a client must bear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientName(ServerName<'static>);

impl ClientName {
    /// Whether this is the name of whoever showed these certificates, the own one first.
    pub(crate) fn is_borne_by(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        let Some([own, ..]) = chain else { return false };
        ParsedCertificate::try_from(own).is_ok_and(|own| verify_server_name(&own, &self.0).is_ok())
    }
}

impl FromStr for ClientName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = ServerName::try_from(text.to_owned()).map_err(|_| {
            format!("{text:?} is no DNS name; write one such as kv-backup-client.shop.svc")
        })?;
        Ok(Self(name))
    }
}
