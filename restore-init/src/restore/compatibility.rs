//! Which etcd may start on the data of which: the archive's rule, in the words of a restore.

use archive::{
    compatibility::{self, Incompatible},
    manifest::{Manifest, Source},
};

use super::problem::Problem;

/// Refuses a backup that etcd of the version `target` must not be started on.
pub(crate) fn check(manifest: &Manifest, target: &str) -> Result<(), Problem> {
    check_source(&manifest.source, target)
        .map_err(|words| Problem::Incompatible(format!("backup {} {words}", manifest.id)))
}

fn check_source(source: &Source, target: &str) -> Result<(), String> {
    compatibility::check(target, source).map_err(|why| match why {
        Incompatible::NoVersion(version) | Incompatible::Unnamed(version) => {
            format!("cannot be compared: {version:?} is no version of etcd")
        }
        Incompatible::Data { data, wanted } => format!(
            "holds data of etcd {data}, and this is etcd {wanted}: use {data} or {} (and upgrade from \
             there); data never goes back to an older version",
            data.next()
        ),
    })
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
