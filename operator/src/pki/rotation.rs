//! How an authority gives way to its successor without anybody being refused.
//!
//! ```text
//! signs:    old ───────────────────────> new ──────────>
//! trusted:  old ── due: old + new ─────> new + old ────>
//!                  └── a week: every certificate file has the new one in its bundle by now ──┘
//! ```

use jiff::{SignedDuration, Timestamp};

use super::authority::Authority;
use super::{EARLIER, Pair, PkiError, life};

/// How long a successor is trusted before it signs: longer than any Secret takes to reach a pod,
/// and than an operator is away.
const TRUSTED_FIRST: SignedDuration = SignedDuration::from_hours(7 * 24);
const WHAT: &str = "the operator's next certificate authority";

/// The authority that signs, its successor, and whom everybody trusts.
#[derive(Clone)]
pub struct Authorities {
    /// Signs.
    pub current: Pair,
    /// Will sign. Trusted already.
    pub next: Option<Pair>,
    /// Certificates of all that are trusted, as PEM.
    pub trusted: String,
}

impl Authorities {
    /// The first authority of all.
    pub fn first(name: &str, now: Timestamp) -> Result<Self, PkiError> {
        let (_, current) = Authority::make(name, now)?;
        Ok(Self { trusted: current.certificate.clone(), current, next: None })
    }

    /// What they shall be by now; `None` when that is what they are.
    pub fn rotated(&self, name: &str, now: Timestamp) -> Result<Option<Self>, PkiError> {
        if !Authority::read(&self.current)?.is_due(now)? {
            return Ok(None);
        }
        let Some(next) = &self.next else {
            let (_, next) = Authority::make(name, now)?;
            let trusted = format!("{}{}", self.current.certificate, next.certificate);
            return Ok(Some(Self { current: self.current.clone(), next: Some(next), trusted }));
        };
        let (begin, _) = life(WHAT, &next.certificate)?;
        if now.duration_since(begin) < TRUSTED_FIRST + EARLIER {
            return Ok(None);
        }
        let trusted = format!("{}{}", next.certificate, self.current.certificate);
        Ok(Some(Self { current: next.clone(), next: None, trusted }))
    }
}
