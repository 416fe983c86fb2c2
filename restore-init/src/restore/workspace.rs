//! The working folder beside the data directory, on the same file system: `<data dir>.restoring`.
//!
//! It holds the downloaded snapshot and the directory that etcdutl makes, and nothing that is of use to
//! a later run: a run that finds one left over begins by removing it. A lock tells a left-over folder
//! from one in use; it ends with the process that holds it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

use super::{durable, problem::Problem};

/// The snapshot and etcdutl's copy of it.
const COPIES: u64 = 2;
/// etcd allocates 64 MB for its log at once; bbolt grows by 16 MB; the rest is for pages that change.
const MARGIN: u64 = 128 << 20;

const SNAPSHOT: &str = "snapshot.db";
const DATA: &str = "data";

/// The folder, ours while this lives.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: PathBuf,
    _lock: File,
}

impl Workspace {
    /// Makes it, empty. One that is left over from a run that died is emptied.
    pub(crate) fn make(data_dir: &Path) -> Result<Self, Problem> {
        let folder = folder_of(data_dir);
        if let Err(error) = fs::create_dir(&folder)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(Problem::disk(format!("making {}", folder.display()))(error));
        }
        let workspace = Self::take(folder)?;
        workspace.empty()?;
        Ok(workspace)
    }

    /// Removes what a run has left that died after the data directory got its name.
    pub(crate) fn remove_left_over(data_dir: &Path) -> Result<(), Problem> {
        let folder = folder_of(data_dir);
        if folder.symlink_metadata().is_err() {
            return Ok(());
        }
        Self::take(folder)?.remove()
    }

    /// Locks it, if it is one.
    fn take(folder: PathBuf) -> Result<Self, Problem> {
        let shown = folder.display();
        let foreign = |what: &str| {
            Problem::Foreign(format!("{shown} {what}, and a restore works there; move it away"))
        };
        let opening = || Problem::disk(format!("opening {shown}"));
        if !folder.symlink_metadata().map_err(opening())?.is_dir() {
            return Err(foreign("is no directory"));
        }
        let lock = File::open(&folder).map_err(opening())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Problem::Busy(folder)),
            Err(TryLockError::Error(error)) => return Err(opening()(error)),
        }
        for entry in fs::read_dir(&folder).map_err(opening())? {
            let name = entry.map_err(opening())?.file_name();
            if name != SNAPSHOT && name != DATA {
                return Err(foreign(&format!(
                    "holds {}, which no restore puts there",
                    name.display()
                )));
            }
        }
        Ok(Self { folder, _lock: lock })
    }

    /// Where the downloaded snapshot goes.
    pub(crate) fn snapshot(&self) -> PathBuf {
        self.folder.join(SNAPSHOT)
    }

    /// Where the data directory is made.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// Whether a snapshot of that size can be restored here.
    pub(crate) fn check_room(&self, size: u64) -> Result<(), Problem> {
        let space = statvfs(&self.folder).map_err(io::Error::from);
        let space = space.map_err(Problem::disk("asking how much room there is"))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let needed = size.saturating_mul(COPIES).saturating_add(MARGIN);
        if free >= needed {
            return Ok(());
        }
        let at = self.folder.parent().unwrap_or(&self.folder).to_owned();
        Err(Problem::NoRoom { at, needed: needed.div_ceil(1_000_000), free: free / 1_000_000 })
    }

    fn empty(&self) -> Result<(), Problem> {
        let removing = || Problem::disk(format!("emptying {}", self.folder.display()));
        absent_is_fine(fs::remove_file(self.snapshot())).map_err(removing())?;
        absent_is_fine(fs::remove_dir_all(self.data())).map_err(removing())
    }

    /// Removes it with all that is in it.
    pub(crate) fn remove(self) -> Result<(), Problem> {
        self.empty()?;
        let removing = || Problem::disk(format!("removing {}", self.folder.display()));
        fs::remove_dir(&self.folder).map_err(removing())?;
        durable::sync_parent(&self.folder)
    }
}

fn folder_of(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    result
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_works_beside_a_data_directory() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = Workspace::make(&data).unwrap();
        assert_eq!(Workspace::make(&data).unwrap_err().reason(), "Busy");
        fs::write(first.snapshot(), "half").unwrap();
        drop(first);
        let second = Workspace::make(&data).unwrap();
        assert!(!second.snapshot().exists());
        second.remove().unwrap();
        assert!(!folder_of(&data).exists());
    }

    #[test]
    fn what_others_put_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(folder.path().join("data.restoring/photos")).unwrap();
        assert_eq!(Workspace::make(&data).unwrap_err().reason(), "DataDirNotEmpty");
        assert!(folder.path().join("data.restoring/photos").exists());
    }

    #[test]
    fn room_is_needed_twice_and_some_more() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::make(&folder.path().join("data")).unwrap();
        workspace.check_room(1).unwrap();
        let error = workspace.check_room(1 << 60).unwrap_err();
        assert!(error.to_string().starts_with("23058430"), "{error}");
    }
}
