//! Making sure that what was written outlives a power cut.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::problem::Problem;

/// Everything below a directory, and its names, are on the disk when this returns.
pub(crate) fn sync_tree(folder: &Path) -> Result<(), Problem> {
    sync_below(folder).map_err(Problem::disk(format!("syncing {}", folder.display())))
}

fn sync_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_below(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Gives a directory its name, durably. Fails when something is there under that name, unless that is
/// an empty directory.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Problem> {
    let doing = format!("renaming {} to {}", from.display(), to.display());
    fs::rename(from, to).map_err(Problem::disk(doing))?;
    sync_parent(to)
}

/// The names in the directory above are on the disk when this returns.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(path);
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(Problem::disk(format!("syncing {}", folder.display())))
}
