//! Whether an etcd of some version can start on a backup.
//!
//! etcd reads data of its own minor version and of the one before, never of a later one: etcdutl 3.6 takes
//! a database of 3.7 without a word, and etcd then dies on it. What counts is the version of the data: a
//! 3.6 server in a cluster that is still at 3.5 keeps data of 3.5. etcd records it since 3.6; before
//! that it is the version that the members had agreed on.

use std::fmt;

use crate::manifest::Source;

/// Why an etcd cannot start on a backup, or why that cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// What was asked for is no version.
    #[error("{0:?} is no version of etcd; write major.minor.patch, such as 3.6.16")]
    NoVersion(String),
    /// The backup does not say which etcd its data are of.
    #[error("the backup names no version of etcd ({0:?}); choose another")]
    Unnamed(String),
    /// The data are of a version that this etcd cannot read.
    #[error(
        "the backup holds data of etcd {data}, which etcd {wanted} cannot start on; ask for {data} or \
         {}",
        data.next()
    )]
    Data {
        /// The version of the data.
        data: Minor,
        /// The etcd that was to start on them.
        wanted: String,
    },
}

/// A version of etcd without its patch number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minor {
    major: u32,
    minor: u32,
}

impl Minor {
    /// The minor version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { minor: self.minor.saturating_add(1), ..self }
    }

    /// A full version, or major and minor alone as etcd writes cluster versions at times. What stands
    /// behind a dash or plus does not count.
    fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let release = text.split(['-', '+']).next()?;
        let number = |part: &str| {
            let is_plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| part.parse::<u32>().ok()).flatten()
        };
        let numbers: Option<Vec<_>> = release.split('.').map(number).collect();
        match numbers?[..] {
            [major, minor] | [major, minor, _] => Some(Self { major, minor }),
            _ => None,
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Whether etcd `wanted` (such as `3.6.16`, `v3.7.0-rc.1`) can start on a backup from this source.
pub fn check(wanted: &str, source: &Source) -> Result<(), Incompatible> {
    let target = Minor::of(wanted).ok_or_else(|| Incompatible::NoVersion(wanted.to_owned()))?;
    let named = version_of_data(source);
    let data = Minor::of(named).ok_or_else(|| Incompatible::Unnamed(named.to_owned()))?;
    if target == data || target == data.next() {
        return Ok(());
    }
    Err(Incompatible::Data { data, wanted: wanted.to_owned() })
}

fn version_of_data(source: &Source) -> &str {
    let noted = [&source.storage_version, &source.cluster_version].into_iter().flatten();
    noted.map(String::as_str).find(|text| !text.is_empty()).unwrap_or(&source.etcd_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::EtcdId;

    fn source(server: &str, cluster: Option<&str>, storage: Option<&str>) -> Source {
        Source {
            member: "kv-0001".into(),
            member_id: EtcdId(7),
            etcd_version: server.into(),
            cluster_version: cluster.map(str::to_owned),
            storage_version: storage.map(str::to_owned),
            unknown: serde_json::Map::new(),
        }
    }

    /// The seed's cases (`TestBackupVersionCompatiblity`) with today's versions.
    #[test]
    fn the_same_minor_and_the_next_can_start_on_a_backup_and_no_other() {
        let backup = source("3.5.15", Some("3.5.0"), None);
        for good in ["3.5.15", "3.5.0", "3.6.0-alpha.1", "3.6.0", "v3.6.16", "3.6"] {
            assert_eq!(check(good, &backup), Ok(()), "{good}");
        }
        for bad in ["3.7.0", "3.4.7", "2.3.7", "4.5.0"] {
            let why = check(bad, &backup).unwrap_err().to_string();
            assert!(
                why.contains("data of etcd 3.5") && why.contains("ask for 3.5 or 3.6"),
                "{why}"
            );
        }
        for nonsense in ["", "3", "3.x.1", "latest", "main", "3.5.1.2", "3..1", "+3.5.1"] {
            let error = check(nonsense, &backup).unwrap_err();
            assert_eq!(error, Incompatible::NoVersion(nonsense.into()));
        }
        let nameless = check("3.6.1", &source("unknown", None, None)).unwrap_err();
        assert_eq!(nameless, Incompatible::Unnamed("unknown".into()));
    }

    #[test]
    fn the_version_of_the_data_counts_and_not_that_of_the_server() {
        for (source, good, bad) in [
            // In the middle of an upgrade: a newer server, and still the old layout.
            (source("3.6.16", Some("3.5.0"), None), "3.5.29", "3.7.0"),
            (source("3.6.16", Some("3.6.0"), Some("3.6.0")), "3.6.1", "3.5.29"),
            (source("3.7.3", Some("3.7.0"), Some("3.6.0")), "3.6.16", "3.5.35"),
            (source("3.7.3", Some("3.7.0"), Some("3.7.0")), "3.7.0", "3.6.16"),
            (source("3.6.16", None, None), "3.7.0", "3.5.0"),
            (source("3.5.9", None, Some("")), "3.5.9", "3.4.23"),
        ] {
            assert_eq!(check(good, &source), Ok(()), "{source:?}");
            assert!(check(bad, &source).is_err(), "{source:?}");
        }
    }
}
