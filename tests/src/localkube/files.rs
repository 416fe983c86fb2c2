//! Small files of the run folder: written whole, with the path in every error.

use std::path::{Path, PathBuf};

use super::error::Error;

/// Makes `path` and its parents.
pub(super) fn make_dir(path: impl AsRef<Path>) -> Result<(), Error> {
    std::fs::create_dir_all(&path).map_err(Error::file("make the folder", path))
}

/// Writes `content` as the whole of `path`, whose folder is made if missing.
pub(super) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<(), Error> {
    if let Some(parent) = path.as_ref().parent() {
        make_dir(parent)?;
    }
    std::fs::write(&path, content).map_err(Error::file("write", path))
}

/// Writes under another name first, so that a reader or a killed run never sees half a file.
pub(super) fn replace(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let draft = path.with_extension("new");
    write(&draft, content)?;
    std::fs::rename(&draft, path).map_err(Error::file("rename to", path))
}

/// The whole of `path`.
pub(super) fn read(path: impl AsRef<Path>) -> Result<String, Error> {
    std::fs::read_to_string(&path).map_err(Error::file("read", path))
}

/// What is in the folder `path`; nothing if it does not exist.
pub(super) fn entries(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
    let listing = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::file("list", &path))?,
    };
    listing.map(|entry| entry.map(|e| e.path()).map_err(Error::file("list", &path))).collect()
}

/// Removes `path` and all below it; it may be gone already.
pub(super) fn remove_all(path: impl AsRef<Path>) -> Result<(), Error> {
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove", path)),
    }
}
