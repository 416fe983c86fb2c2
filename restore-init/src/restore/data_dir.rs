//! The data directory, before and after: what is in it, and whose it is.
//!
//! The marker lies in `member/`, which etcd never lists (in the directory above it warns of every file
//! that it does not know), and is there before the directory gets its name: a directory with the
//! marker is whole.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use api::restore::RestoreReport;
use serde::{Deserialize, Serialize};

use super::{problem::Problem, report::Report};

/// What a data directory is to a restore.
#[derive(Debug)]
pub(crate) enum State {
    /// Not there, or empty.
    Free,
    /// Made by this restore.
    Restored(RestoreReport),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    restore_id: String,
    report: RestoreReport,
}

fn marker(data_dir: &Path) -> PathBuf {
    data_dir.join("member").join("etcd-restore.json")
}

/// Looks, and refuses everything that this restore neither made nor may use.
pub(crate) fn look(data_dir: &Path, restore_id: &str) -> Result<State, Problem> {
    let shown = data_dir.display();
    let mut entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Free),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(Problem::Foreign(format!("{shown} is a file; name a directory to make")));
        }
        Err(error) => return Err(Problem::disk(format!("reading {shown}"))(error)),
    };
    refuse_mount_point(data_dir)?;
    let Some(first) = entries.next() else { return Ok(State::Free) };
    let first = first.map_err(Problem::disk(format!("reading {shown}")))?;
    match read_marker(data_dir)? {
        Some(marker) if marker.restore_id == restore_id => Ok(State::Restored(marker.report)),
        Some(marker) => Err(Problem::Foreign(format!(
            "{shown} was made by another restore ({}) and is left as it is; move it away, or name another \
             directory",
            marker.restore_id
        ))),
        None => Err(Problem::Foreign(format!(
            "{shown} is not empty (it holds {}) and is left as it is: a restore never overwrites data. \
             Move it away, or name another directory",
            first.file_name().display()
        ))),
    }
}

/// What is restored comes into its place by a rename, which cannot replace the root of a file system.
fn refuse_mount_point(data_dir: &Path) -> Result<(), Problem> {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    let look = || Ok(device(data_dir)? != device(data_dir.parent().unwrap_or(data_dir))?);
    let is_mount_point: io::Result<bool> = look();
    let shown = data_dir.display();
    if is_mount_point.map_err(Problem::disk(format!("reading {shown}")))? {
        return Err(Problem::Foreign(format!(
            "{shown} is the root of a file system of its own; name a directory in it, such as {shown}/data"
        )));
    }
    Ok(())
}

fn read_marker(data_dir: &Path) -> Result<Option<Marker>, Problem> {
    let path = marker(data_dir);
    match fs::read(&path) {
        // One that cannot be read is not this restore's.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::disk(format!("reading {}", path.display()))(error)),
    }
}

/// Says in a directory that is about to be the data directory which restore made it.
pub(crate) fn mark(data: &Path, restore_id: &str, report: &Report) -> Result<(), Problem> {
    let marker_of = Marker { restore_id: restore_id.to_owned(), report: report.known().clone() };
    let bytes = serde_json::to_vec(&marker_of).map_err(|error| Problem::Other(error.into()))?;
    fs::write(marker(data), bytes).map_err(Problem::disk("writing the marker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_free_directory_and_the_own_one_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert!(matches!(look(&data, "plum").unwrap(), State::Free));
        fs::create_dir_all(data.join("member")).unwrap();
        let error = look(&data, "plum").unwrap_err().to_string();
        assert!(error.contains("is not empty (it holds member)"), "{error}");
        mark(&data, "plum", &Report::default()).unwrap();
        assert!(matches!(look(&data, "plum").unwrap(), State::Restored(_)));
        let error = look(&data, "fig").unwrap_err().to_string();
        assert!(error.contains("another restore (plum)"), "{error}");
    }

    #[test]
    fn a_file_and_a_mount_point_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(look(file.path(), "plum").unwrap_err().to_string().contains("is a file"));
        let error = look(Path::new("/proc"), "plum").unwrap_err().to_string();
        assert!(error.contains("name a directory in it, such as /proc/data"), "{error}");
    }
}
