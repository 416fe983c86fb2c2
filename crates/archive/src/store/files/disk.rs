//! What is done to the disk directly: durable removal, and the search for unfinished uploads.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::{error::Error, key::Key, store::Unfinished};

/// What `object_store` puts behind the name of a file that is being written.
const STAGED: char = '#';

/// An error of the operating system, by meaning.
pub(super) fn error(what: &str, error: io::Error) -> Error {
    let source = Box::new(error);
    let foreign = object_store::Error::Generic { store: "LocalFileSystem", source };
    super::translate(what, what, foreign)
}

/// Removes a file below `root`, and the folders that are empty then. Durable when it returns.
pub(super) fn remove(root: &Path, file: &str) -> io::Result<()> {
    // The file may be gone by an earlier try that a crash cut short before its fsync.
    gone(fs::remove_file(root.join(file)))?;
    sync_and_clear(root, &root.join(file))
}

/// As [`remove`], for several.
pub(super) fn remove_all(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    for file in files {
        gone(fs::remove_file(file))?;
        sync_and_clear(root, file)?;
    }
    Ok(())
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes the removal of `file` durable, and removes the folders above that it has left empty.
fn sync_and_clear(root: &Path, file: &Path) -> io::Result<()> {
    for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // Another remover was quicker, or there never was one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        }
        if folder == root || fs::remove_dir(folder).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The files that an upload staged under this path may leave.
pub(super) fn left_by(staged: &Path) -> Vec<PathBuf> {
    let mut first = staged.as_os_str().to_owned();
    first.push(format!("{STAGED}1"));
    vec![first.into(), staged.to_owned()]
}

/// All files of unfinished uploads below a folder.
pub(super) fn unfinished(root: &Path, folder: &Path) -> io::Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => found.extend(as_unfinished(root, &entry.path())),
                _ => {}
            }
        }
    }
    Ok(found)
}

fn as_unfinished(root: &Path, file: &Path) -> Option<Unfinished> {
    let upload = file.strip_prefix(root).ok()?.to_str()?;
    let target = upload.split_once(STAGED).map(|(target, _)| target);
    let target = target.unwrap_or(upload).split_once(".unfinished-").map(|(t, _)| t).or(target)?;
    let key: Key = target.parse().ok()?;
    let modified = Timestamp::try_from(fs::metadata(file).ok()?.modified().ok()?).ok()?;
    Some(Unfinished { key, upload: upload.to_owned(), modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_unfinished_uploads_are_found_with_their_target() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("v1/a");
        fs::create_dir_all(&folder).unwrap();
        for name in ["x", "x#1", "x.unfinished-07", "x.unfinished-07#1", "a b", "a b#1"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let mut uploads: Vec<_> = unfinished(root.path(), &root.path().join("v1"))
            .unwrap()
            .into_iter()
            .inspect(|found| assert_eq!(found.key.as_str(), "v1/a/x"))
            .map(|found| found.upload)
            .collect();
        uploads.sort();
        assert_eq!(uploads, ["v1/a/x#1", "v1/a/x.unfinished-07", "v1/a/x.unfinished-07#1"]);
    }

    #[test]
    fn a_removal_takes_empty_folders_along_and_never_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("v1/a/b")).unwrap();
        fs::write(root.path().join("v1/a/b/x"), "").unwrap();
        fs::write(root.path().join("v1/y"), "").unwrap();
        remove(root.path(), "v1/a/b/x").unwrap();
        assert!(!root.path().join("v1/a").exists());
        remove(root.path(), "v1/a/b/x").unwrap();
        remove(root.path(), "v1/y").unwrap();
        assert!(root.path().is_dir() && !root.path().join("v1").exists());
    }
}
