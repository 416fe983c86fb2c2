//! Whether an etcd of some version can start on a backup.
//!
//! etcd reads data of its own minor version and of the one before, never of a later one. What counts is
//! the version of the data: a 3.6 server in a cluster that is still at 3.5 keeps data of 3.5. etcd
//! records it since 3.6; before that it is the version that the members had agreed on.

use archive::manifest::Source;

/// Major and minor number.
type Minor = (u32, u32);

/// Whether etcd `wanted` (such as `3.6.16`, `v3.7.0-rc.1`) can start on a backup from this source; an
/// error says in a sentence why not.
pub(crate) fn check(wanted: &str, source: &Source) -> Result<(), String> {
    let target = minor(wanted).ok_or_else(|| {
        format!("etcdVersion {wanted:?} is no version; write major.minor.patch, such as 3.6.16")
    })?;
    let data = of_data(source).ok_or_else(|| {
        format!("the backup names no etcd version ({:?}); choose another", source.etcd_version)
    })?;
    let next = (data.0, data.1 + 1);
    if target == data || target == next {
        return Ok(());
    }
    Err(format!(
        "the backup holds data of etcd {}.{}, which etcd {wanted} cannot start on; ask for {}.{} or \
         {}.{}",
        data.0, data.1, data.0, data.1, next.0, next.1
    ))
}

fn of_data(source: &Source) -> Option<Minor> {
    let recorded = source.storage_version.as_deref().and_then(minor);
    let agreed = || source.cluster_version.as_deref().and_then(minor);
    recorded.or_else(agreed).or_else(|| minor(&source.etcd_version))
}

/// A full version, or major and minor alone as etcd writes cluster versions at times. What stands
/// behind a dash or plus does not count.
fn minor(text: &str) -> Option<Minor> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let release = text.split(['-', '+']).next()?;
    let number = |part: &str| {
        let is_plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| part.parse::<u32>().ok()).flatten()
    };
    let numbers: Option<Vec<_>> = release.split('.').map(number).collect();
    match numbers?[..] {
        [major, minor] | [major, minor, _] => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use archive::manifest::EtcdId;

    use super::*;

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
        for good in ["3.5.15", "3.5.0", "3.6.0-alpha.1", "3.6.0", "v3.6.16"] {
            assert_eq!(check(good, &backup), Ok(()), "{good}");
        }
        for bad in ["3.7.0", "3.4.7", "2.3.7", "4.5.0"] {
            assert!(check(bad, &backup).unwrap_err().contains("ask for 3.5 or 3.6"), "{bad}");
        }
        for nonsense in ["", "3", "3.x.1", "latest", "3.5.1.2", "3..1", "+3.5.1"] {
            let error = check(nonsense, &backup).unwrap_err();
            assert!(error.contains("is no version"), "{nonsense:?}: {error}");
        }
    }

    #[test]
    fn the_version_of_the_data_counts_and_not_that_of_the_server() {
        let upgrading = source("3.6.16", Some("3.5.0"), None);
        assert_eq!(check("3.5.29", &upgrading), Ok(()));
        let upgraded = source("3.6.16", Some("3.6.0"), Some("3.6.0"));
        assert!(check("3.5.29", &upgraded).is_err());
        let downgrading = source("3.7.3", Some("3.6.0"), Some("3.6.0"));
        assert_eq!(check("3.6.16", &downgrading), Ok(()));
        let bare = source("3.6.16", None, None);
        assert_eq!((check("3.7.0", &bare), check("3.5.0", &bare).is_err()), (Ok(()), true));
    }
}
