//! Container images, packed by buildah from a Containerfile and a folder with its files.
//!
//! An archive lies beside a record of what it was made from, and is made again only when that changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cache::{self, fingerprint};
use super::error::Error;
use super::layout::{ETCD_REPOSITORY, PAUSE_IMAGE};
use super::programs::{Built, Programs};
use super::{files, lock, workspace};
use crate::command::{command, run};
use crate::progress::Progress;

const LIMIT: Duration = Duration::from_mins(5);

/// An image as an archive that `ctr images import` reads.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Archive {
    /// Name with tag.
    pub name: String,
    /// The archive.
    pub path: PathBuf,
    /// Hash of everything it was made from.
    pub inputs: String,
}

/// An image to be packed.
#[derive(Debug)]
pub struct Recipe {
    /// Name with tag.
    pub name: String,
    /// The Containerfile, which copies from `files`.
    pub containerfile: PathBuf,
    /// Where each file of the build context comes from, by its name there.
    pub files: Vec<(String, PathBuf)>,
}

/// The pause image and the etcd images, from the cache or packed now.
pub async fn base(programs: &Programs, progress: &Progress) -> Result<Vec<Archive>, Error> {
    let folder = cache::folder()?.join("images");
    let mut recipes = vec![pause()];
    recipes.extend(programs.etcd.iter().map(etcd));
    let mut archives = Vec::new();
    for recipe in recipes {
        archives.push(recipe.pack(&folder, progress).await?);
    }
    Ok(archives)
}

/// The archives of the project's own images, as far as `cargo xtask images` has made them.
pub fn project() -> Result<Vec<Archive>, Error> {
    let records = files::entries(project_folder())?;
    let records = records.iter().filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut archives = Vec::new();
    for record in records {
        archives.extend(read_record(record).filter(|archive| archive.path.is_file()));
    }
    archives.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(archives)
}

/// Where the project's own images are put.
pub fn project_folder() -> PathBuf {
    workspace().join("target/images")
}

fn pause() -> Recipe {
    Recipe {
        name: PAUSE_IMAGE.to_owned(),
        containerfile: workspace().join("tests/images/pause.Containerfile"),
        files: vec![("catatonit".to_owned(), PathBuf::from("/usr/bin/catatonit"))],
    }
}

fn etcd(built: &Built) -> Recipe {
    let file = |name: &str| (name.to_owned(), built.program(name));
    Recipe {
        name: format!("{ETCD_REPOSITORY}:{}", built.version),
        containerfile: workspace().join("tests/images/etcd.Containerfile"),
        files: vec![file("etcd"), file("etcdctl"), file("etcdutl")],
    }
}

impl Recipe {
    /// The archive in `folder`, packed now unless it was made from the same inputs.
    pub async fn pack(&self, folder: &Path, progress: &Progress) -> Result<Archive, Error> {
        let stem = self.name.replace(['/', ':'], "_");
        let path = folder.join(format!("{stem}.tar"));
        let archive = Archive { name: self.name.clone(), path, inputs: self.inputs()? };
        let record = folder.join(format!("{stem}.json"));
        if is_current(&archive, &record) {
            return Ok(archive);
        }
        let _alone = lock::acquire(&folder.join("lock"), LIMIT).await?;
        if !is_current(&archive, &record) {
            let what = format!("pack the image {}", self.name);
            progress.step(&what, Duration::from_secs(4), self.build(&archive)).await?;
            files::replace(&record, serde_json::to_vec(&archive).unwrap_or_default())?;
        }
        Ok(archive)
    }

    /// Files count by size and time of change, as for make: to read hundreds of megabytes at every
    /// start would cost more than the start.
    fn inputs(&self) -> Result<String, Error> {
        let mut parts = vec![files::read(&self.containerfile)?];
        for (name, source) in &self.files {
            let meta = std::fs::metadata(source).map_err(Error::file("read", source))?;
            parts.push(format!("{name} {} {}.{}", meta.len(), meta.mtime(), meta.mtime_nsec()));
        }
        Ok(fingerprint(parts.iter().map(String::as_bytes)))
    }

    /// Build context and buildah's storage are folders of this one call, so nothing of it stays.
    async fn build(&self, archive: &Archive) -> Result<(), Error> {
        let work = archive.path.with_extension("work");
        let context = work.join("context");
        files::remove_all(&work)?;
        files::make_dir(&context)?;
        for (name, source) in &self.files {
            let target = context.join(name);
            std::fs::copy(source, &target).map_err(Error::file("copy to", &target))?;
        }
        let draft = work.join("image.tar");
        self.buildah(&work, &["build", "--timestamp=0", "--layers=false"], |build| {
            build.arg("--tag").arg(&self.name).arg("--file").arg(&self.containerfile).arg(&context);
        })
        .await?;
        // docker-archive keeps layers uncompressed: three nodes unpack them at every start.
        let target = format!("docker-archive:{}:{}", draft.display(), self.name);
        self.buildah(&work, &["push"], |push| {
            push.arg(&self.name).arg(target);
        })
        .await?;
        std::fs::rename(&draft, &archive.path).map_err(Error::file("rename to", &archive.path))?;
        files::remove_all(&work)
    }

    async fn buildah(
        &self,
        work: &Path,
        args: &[&str],
        more: impl FnOnce(&mut tokio::process::Command),
    ) -> Result<(), Error> {
        let mut buildah = command("buildah");
        // Root without a user namespace of its own: no chroot jail, no overlay mounts.
        buildah.env("BUILDAH_ISOLATION", "chroot").args(["--storage-driver", "vfs"]);
        buildah.arg("--root").arg(work.join("storage")).arg("--runroot").arg(work.join("run"));
        buildah.args(args);
        more(&mut buildah);
        run(&mut buildah, LIMIT).await?;
        Ok(())
    }
}

fn is_current(archive: &Archive, record: &Path) -> bool {
    archive.path.is_file() && read_record(record).as_ref() == Some(archive)
}

fn read_record(record: &Path) -> Option<Archive> {
    serde_json::from_slice(&std::fs::read(record).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(folder: &Path) -> Recipe {
        files::write(folder.join("Containerfile"), "FROM scratch\nCOPY a /a\n").unwrap();
        files::write(folder.join("a"), "first").unwrap();
        Recipe {
            name: "localhost/it:1".to_owned(),
            containerfile: folder.join("Containerfile"),
            files: vec![("a".to_owned(), folder.join("a"))],
        }
    }

    #[test]
    fn a_changed_file_changes_the_inputs() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = recipe(folder.path());
        let before = recipe.inputs().unwrap();
        assert_eq!(recipe.inputs().unwrap(), before);
        files::write(folder.path().join("a"), "second").unwrap();
        assert_ne!(recipe.inputs().unwrap(), before);
    }

    #[test]
    fn an_archive_without_its_record_is_not_current() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.tar");
        let archive = Archive { name: "it".to_owned(), path, inputs: "1".to_owned() };
        let record = folder.path().join("it.json");
        files::write(&archive.path, "").unwrap();
        assert!(!is_current(&archive, &record));
        files::write(&record, serde_json::to_vec(&archive).unwrap()).unwrap();
        assert!(is_current(&archive, &record));
        let changed = Archive { inputs: "2".to_owned(), ..archive };
        assert!(!is_current(&changed, &record));
    }
}
