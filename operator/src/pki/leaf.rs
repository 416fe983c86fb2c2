//! What an authority signs: the certificate of a server or a client.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, SanType,
};
use telemetry::Secret;
use x509_parser::pem::parse_x509_pem;

use super::{Authority, Pair, PkiError, is_due, life, set_life};

/// A year.
pub const LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
const WHAT: &str = "a certificate of the operator's";

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be connected to.
    Server,
    /// To connect.
    Client,
}

/// The certificate that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whom it names.
    pub common_name: String,
    /// The host names that it covers.
    pub names: Vec<String>,
    /// What it is for.
    pub purpose: Purpose,
}

impl Leaf {
    /// Has it signed.
    pub fn sign(&self, authority: &Authority, now: Timestamp) -> Result<Pair, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        for name in &self.names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        set_life(&mut params, now, LIFE)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority.issuer)?.pem();
        Ok(Pair { certificate, key: Secret::new(key.serialize_pem()) })
    }

    /// Whether a stored certificate is this one: signed by that authority, for these names, and
    /// not to be made anew yet. What cannot be read is made anew.
    pub fn is_met_by(&self, pem: &str, authority: &Authority, now: Timestamp) -> bool {
        let is_fresh = life(WHAT, pem).is_ok_and(|life| !is_due(life, now));
        is_fresh && self.is_signed(pem, authority).unwrap_or(false)
    }

    /// `None` when one of the two is no certificate.
    fn is_signed(&self, pem: &str, authority: &Authority) -> Option<bool> {
        let (_, leaf) = parse_x509_pem(pem.as_bytes()).ok()?;
        let (_, issuer) = parse_x509_pem(authority.certificate.as_bytes()).ok()?;
        let (leaf, issuer) = (leaf.parse_x509().ok()?, issuer.parse_x509().ok()?);
        let key_of = |id: Option<&[u8]>| id.map(<[u8]>::to_vec);
        let names = match leaf.subject_alternative_name().ok()? {
            Some(names) => names.value.general_names.iter().map(ToString::to_string).collect(),
            None => Vec::new(),
        };
        let wanted: Vec<_> = self.names.iter().map(|name| format!("DNSName({name})")).collect();
        let is_same_key = key_of(authority_key(&leaf)) == key_of(subject_key(&issuer));
        Some(is_same_key && leaf.issuer() == issuer.subject() && names == wanted)
    }
}

fn authority_key<'a>(leaf: &'a x509_parser::certificate::X509Certificate<'a>) -> Option<&'a [u8]> {
    leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => {
            Some(id.key_identifier.as_ref()?.0)
        }
        _ => None,
    })
}

fn subject_key<'a>(issuer: &'a x509_parser::certificate::X509Certificate<'a>) -> Option<&'a [u8]> {
    issuer.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}
