//! The authority: signs, and is trusted by whoever has its certificate.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use telemetry::Secret;

use super::{Pair, PkiError, is_due, life, set_life};

/// Ten years. Its successor is trusted beside it long before it ends.
pub const LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
const WHAT: &str = "the operator's certificate authority";

/// An authority with its key.
pub struct Authority {
    /// Its certificate, as PEM: what is trusted.
    pub certificate: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new one; its certificate and key are to be stored before it signs anything.
    pub fn make(name: &str, now: Timestamp) -> Result<(Self, Pair), PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_life(&mut params, now, LIFE)?;
        let key = KeyPair::generate()?;
        let pair = Pair {
            certificate: params.self_signed(&key)?.pem(),
            key: Secret::new(key.serialize_pem()),
        };
        Ok((Self::read(&pair)?, pair))
    }

    /// Reads a stored one.
    pub fn read(pair: &Pair) -> Result<Self, PkiError> {
        let unreadable =
            |error: rcgen::Error| PkiError::Read { what: WHAT, detail: error.to_string() };
        let key = KeyPair::from_pem(pair.key.expose()).map_err(unreadable)?;
        let issuer = Issuer::from_ca_cert_pem(&pair.certificate, key).map_err(unreadable)?;
        Ok(Self { certificate: pair.certificate.clone(), issuer })
    }

    /// Whether it is time for its successor.
    pub fn is_due(&self, now: Timestamp) -> Result<bool, PkiError> {
        Ok(is_due(life(WHAT, &self.certificate)?, now))
    }
}
