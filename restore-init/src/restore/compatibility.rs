//! Which etcd may start on the data of which.
//!
//! The same minor version, or one minor version up, never down. What counts is the version of the data's
//! layout, not that of the server that sent it: etcdutl 3.6 takes a database of 3.7 without a word,
//! and etcd then dies on it.

use archive::manifest::{Manifest, Source};

use super::problem::Problem;

/// A version without its patch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Minor {
    major: u64,
    minor: u64,
}

impl Minor {
    fn of(version: &str) -> Option<Self> {
        let version = version.trim();
        let mut numbers = version.strip_prefix('v').unwrap_or(version).split('.');
        let mut next = || numbers.next()?.parse().ok();
        Some(Self { major: next()?, minor: next()? })
    }

    fn takes(self, data: Self) -> bool {
        self.major == data.major
            && (self.minor == data.minor || Some(self.minor) == data.minor.checked_add(1))
    }
}

/// Refuses a backup that etcd of the version `target` must not be started on.
pub(crate) fn check(manifest: &Manifest, target: &str) -> Result<(), Problem> {
    check_source(&manifest.source, target)
        .map_err(|words| Problem::Incompatible(format!("backup {} {words}", manifest.id)))
}

fn check_source(source: &Source, target: &str) -> Result<(), String> {
    let data = version_of_data(source);
    let unknown = |version: &str| format!("cannot be compared: {version:?} is no version of etcd");
    let of_data = Minor::of(data).ok_or_else(|| unknown(data))?;
    let of_target = Minor::of(target).ok_or_else(|| unknown(target))?;
    if of_target.takes(of_data) {
        return Ok(());
    }
    let Minor { major, minor } = of_data;
    let next = minor.saturating_add(1);
    Err(format!(
        "holds data of etcd {major}.{minor}, and this is etcd {target}: use {major}.{minor} or {major}.{next} \
         (and upgrade from there); data never goes back to an older version"
    ))
}

/// etcd 3.5 writes no storage version; what its members had agreed on is that of the data then.
fn version_of_data(source: &Source) -> &str {
    let noted = [&source.storage_version, &source.cluster_version].into_iter().flatten();
    noted.map(String::as_str).find(|text| !text.is_empty()).unwrap_or(&source.etcd_version)
}

#[cfg(test)]
mod tests {
    use archive::manifest::EtcdId;

    use super::*;

    fn source(storage: Option<&str>, cluster: Option<&str>, etcd: &str) -> Source {
        Source {
            member: "quince-0".into(),
            member_id: EtcdId(7),
            etcd_version: etcd.into(),
            cluster_version: cluster.map(str::to_owned),
            storage_version: storage.map(str::to_owned),
            unknown: serde_json::Map::new(),
        }
    }

    #[test]
    fn data_goes_to_the_same_minor_version_or_one_up() {
        let data = source(Some("3.6.0"), Some("3.6.0"), "3.6.16");
        for target in ["3.6.0", "3.6.99", "3.7.3", "3.7.0-rc.1", "v3.7.1"] {
            assert_eq!(check_source(&data, target), Ok(()), "{target}");
        }
        for target in ["3.5.35", "3.8.0", "4.6.0", "main"] {
            assert!(check_source(&data, target).is_err(), "{target}");
        }
        let words = check_source(&data, "3.5.35").unwrap_err();
        assert!(words.contains("this is etcd 3.5.35: use 3.6 or 3.7"), "{words}");
    }

    #[test]
    fn the_layout_of_the_data_counts_and_not_the_server_that_sent_it() {
        for (data, old) in [
            (source(Some("3.7.0"), Some("3.7.0"), "3.7.3"), "3.6.16"),
            (source(Some("3.6.0"), Some("3.7.0"), "3.7.3"), "3.5.35"),
            (source(None, Some("3.5.0"), "3.6.16"), "3.4.23"),
            (source(Some(""), None, "3.5.9"), "3.4.23"),
        ] {
            assert!(check_source(&data, old).is_err(), "{data:?}");
        }
        // In the middle of an upgrade: a newer server, and still the old layout.
        assert_eq!(check_source(&source(None, Some("3.5.0"), "3.6.16"), "3.5.35"), Ok(()));
        assert_eq!(check_source(&source(Some("3.6.0"), Some("3.7.0"), "3.7.3"), "3.6.1"), Ok(()));
    }
}
