//! Versions of etcd and which of them this operator runs.

use std::fmt;
use std::str::FromStr;

/// An etcd version, `3.6.16`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// 3.
    pub major: u64,
    /// Upgrades go one of these up.
    pub minor: u64,
    /// Free to change.
    pub patch: u64,
    /// What follows a `-`: `rc.1`. A version with one is older than the same without, which the
    /// order of this type does not say: no rule here compares pre-releases.
    pub pre_release: Option<String>,
}

/// The lowest version that is run: the first with `/livez` and `/readyz`.
pub const LOWEST: &str = "3.5.11";
/// What a cluster without `spec.version` gets when it is created: the newest 3.6 that is tested.
pub const DEFAULT: &str = "3.6.16";
/// The newest minor version that is run.
const HIGHEST_MINOR: (u64, u64) = (3, 7);
const LOWEST_PARTS: (u64, u64, u64) = (3, 5, 11);

impl Version {
    /// Whether this operator runs it: 3.5.11 to 3.7.
    pub fn is_supported(&self) -> bool {
        (self.major, self.minor, self.patch) >= LOWEST_PARTS
            && (self.major, self.minor) <= HIGHEST_MINOR
    }

    /// Whether its `--max-learners` can be more than 1.
    pub fn admits_two_learners(&self) -> bool {
        (self.major, self.minor) >= (3, 6)
    }
}

/// A version that is not `MAJOR.MINOR.PATCH`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a full semantic version such as {DEFAULT}")]
pub struct ParseError(String);

impl FromStr for Version {
    type Err = ParseError;

    /// Accepts leading `v`s, as the 2017 operator did.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).ok_or_else(|| ParseError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Version> {
    let text = text.trim_start_matches('v');
    let (numbers, pre_release) = match text.split_once('-') {
        Some((numbers, pre)) if !pre.is_empty() => (numbers, Some(pre.to_owned())),
        Some(_) => return None,
        None => (text, None),
    };
    let mut parts = numbers.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse().ok() } else { None }
    });
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(Version { major, minor, patch, pre_release })
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        self.pre_release.as_ref().map_or(Ok(()), |pre| write!(f, "-{pre}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_v_is_stripped() {
        let version: Version = "v3.6.16".parse().unwrap();
        assert_eq!(version.to_string(), "3.6.16");
    }

    #[test]
    fn incomplete_versions_are_refused() {
        for text in ["banana", "3.0", "3", "", "3.6.x", "3.6.16.1", "3.6.+1", "3.6.1-"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn supported_range() {
        for (text, supported) in [
            ("3.1.4", false),
            ("3.5.10", false),
            ("3.5.11", true),
            ("3.6.0", true),
            ("3.7.99", true),
            ("3.8.0", false),
            ("4.0.0", false),
        ] {
            assert_eq!(text.parse::<Version>().unwrap().is_supported(), supported, "{text}");
        }
    }

    #[test]
    fn constants_are_versions_of_the_range() {
        for text in [LOWEST, DEFAULT] {
            let version: Version = text.parse().unwrap();
            assert!(version.is_supported());
        }
        let lowest: Version = LOWEST.parse().unwrap();
        assert_eq!((lowest.major, lowest.minor, lowest.patch), LOWEST_PARTS);
    }
}
