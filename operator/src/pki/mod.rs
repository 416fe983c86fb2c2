//! Certificates that the operator makes itself: an authority, and what it signs.
//!
//! Pure: the time is passed in, and nothing here reads or writes. A certificate is made anew once
//! two thirds of its life are over, so a month without the operator does no harm.

mod authority;
mod leaf;
mod rotation;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};
use rcgen::CertificateParams;
use telemetry::Secret;
use time::OffsetDateTime;
use x509_parser::pem::parse_x509_pem;

pub use authority::Authority;
pub use leaf::{Leaf, Purpose};
pub use rotation::Authorities;

/// A certificate with its key, both as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: Secret<String>,
}

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// It could not be made.
    #[error("a certificate cannot be made")]
    Make(#[from] rcgen::Error),
    /// What is stored is no certificate with its key.
    #[error("{what} cannot be read: {detail}; delete its Secret to have it made anew")]
    Read {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The clock says something that no certificate can.
    #[error("the time {0} is none that a certificate can have; set the clock right")]
    Time(Timestamp),
}

/// Clocks differ: a certificate holds from this long before it was made.
const EARLIER: SignedDuration = SignedDuration::from_hours(1);

/// Sets for how long a certificate holds.
fn set_life(
    params: &mut CertificateParams,
    now: Timestamp,
    life: SignedDuration,
) -> Result<(), PkiError> {
    let time = |at: Result<Timestamp, jiff::Error>| {
        let second = at.map(Timestamp::as_second).ok();
        second
            .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok())
            .ok_or(PkiError::Time(now))
    };
    params.not_before = time(now.checked_sub(EARLIER))?;
    params.not_after = time(now.checked_add(life))?;
    Ok(())
}

/// Reads from when until when a certificate holds.
fn life(what: &'static str, pem: &str) -> Result<(Timestamp, Timestamp), PkiError> {
    let unreadable = |detail: String| PkiError::Read { what, detail };
    let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|error| unreadable(error.to_string()))?;
    let parsed = pem.parse_x509().map_err(|error| unreadable(error.to_string()))?;
    let validity = parsed.validity();
    let time = |at: x509_parser::time::ASN1Time| {
        Timestamp::from_second(at.timestamp()).map_err(|error| unreadable(error.to_string()))
    };
    Ok((time(validity.not_before)?, time(validity.not_after)?))
}

/// Whether two thirds of a certificate's life are over, or it does not hold yet.
fn is_due((begin, end): (Timestamp, Timestamp), now: Timestamp) -> bool {
    now < begin || now.duration_since(begin) >= end.duration_since(begin) * 2 / 3
}
