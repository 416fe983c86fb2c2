//! What a data directory holds.

use std::{ffi::OsStr, fs, io, path::Path};

use anyhow::Context;

/// Whether etcd finds a log there and goes on from it: a `*.wal` file in `member/wal`, which is
/// etcd's own test (server/storage/wal/util.go, `Exist`). etcd writes the first log in
/// `member/wal.tmp` and renames it when it is whole, so a log that is there can be read.
///
/// Fails when the directory cannot be read: not to know is not the same as empty.
pub(crate) fn holds_a_log(data_dir: &Path) -> anyhow::Result<bool> {
    let log = data_dir.join("member").join("wal");
    look(&log).with_context(|| format!("{} cannot be read; check the volume", log.display()))
}

fn look(log: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        if Path::new(&entry?.file_name()).extension() == Some(OsStr::new("wal")) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a directory may hold (a path that ends in `/` is a directory), and whether it is a log.
    const STATES: [(&str, &[&str], bool); 8] = [
        ("empty", &[], false),
        ("a fresh file system", &["lost+found/"], false),
        ("etcd was killed before its log", &["member/snap/db"], false),
        ("etcd was killed within its log", &["member/snap/db", "member/wal.tmp/0-0.wal"], false),
        ("a log directory without a log", &["member/wal/"], false),
        ("a broken log put aside", &["member/wal/0-0.wal.broken", "member/wal/0.tmp"], false),
        ("a log", &["member/snap/db", "member/wal/0-0.wal"], true),
        ("a log whose snapshots are gone", &["member/wal/0-0.wal"], true),
    ];

    #[test]
    fn a_log_and_nothing_else_is_data() {
        for (state, paths, holds) in STATES {
            let folder = tempfile::tempdir().unwrap();
            for path in paths {
                let path = folder.path().join(path);
                if path.to_str().unwrap().ends_with('/') {
                    fs::create_dir_all(path).unwrap();
                } else {
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, "x").unwrap();
                }
            }
            assert_eq!(holds_a_log(folder.path()).unwrap(), holds, "{state}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_yet_holds_no_log() {
        assert!(!holds_a_log(Path::new("/nonexistent/orchard")).unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("member"), "a file").unwrap();

        let error = holds_a_log(folder.path()).unwrap_err();

        assert!(format!("{error:#}").contains("cannot be read; check the volume"), "{error:#}");
    }
}
