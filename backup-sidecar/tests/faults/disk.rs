//! A folder on a disk without room.

use std::{path::Path, process::Command};

use tempfile::TempDir;
use testbed::{cluster::Cluster, programs::Version};

use crate::harness::{Archive, Run, fill};

/// A small file system in memory, unmounted at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: usize) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        disk.run(&["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        disk
    }

    fn grow(&self, megabytes: usize) {
        self.run(&["-o", &format!("remount,size={megabytes}m")]);
    }

    fn run(&self, words: &[&str]) {
        let done = Command::new("mount").args(words).arg(self.path()).status().unwrap();
        assert!(done.success(), "cannot mount a tmpfs: run this test as root");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg(self.path()).status().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_next_attempt_works_when_there_is_room() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    fill(&cluster, 20).await;
    let (archive, disk) = (Archive::in_a_folder(), SmallDisk::mount(12));
    let url = format!("file://{}", disk.path().display());
    let on_disk = async |mut command: tokio::process::Command| {
        Run::of(command.env("ETCD_BACKUP_STORE", &url).spawn().unwrap()).await
    };

    let run = on_disk(archive.once(&cluster, &["--json"])).await;

    assert!(run.fails(1).contains("the store is full"), "{}", run.stderr);
    assert_eq!(on_disk(archive.command(&["list", "--json"])).await.stdout.trim(), "[]");
    assert_eq!(files_below(disk.path()), 0, "what did not fit is gone");
    disk.grow(60);
    let run = on_disk(archive.once(&cluster, &["--json"])).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(on_disk(archive.command(&["verify", "--all"])).await.code, Some(0));
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}
