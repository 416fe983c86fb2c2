//! Disks that are or become full. They are small file systems in memory, which takes root to mount.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use api::restore::Fault;
use testbed::programs::Version;
use tokio::sync::Notify;

use crate::{
    backup::Stored,
    network::program,
    original::{Original, Target, contents},
    program::Program,
    sidecar::{Answer, Sidecar},
};

const V: Version = Version::V3_6;

/// A file system of its own on a folder, until this is dropped.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn new(folder: &'a Path, megabytes: u32) -> Self {
        run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"], folder);
        Self(folder)
    }

    fn resize(&self, megabytes: u32) {
        run("mount", &["-o", &format!("remount,size={megabytes}m")], self.0);
    }

    /// Leaves no byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        run("umount", &["--lazy"], self.0);
    }
}

fn run(program: &str, args: &[&str], folder: &Path) {
    let status = Command::new(program).args(args).arg(folder).status().unwrap();
    assert!(status.success(), "{program} {args:?} needs root");
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_found_before_the_first_byte() {
    let original = Original::start(V).await;
    let expected = contents(V, original.place(), &[]);
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let disk = Disk::new(target.folder.path(), 100);
    let sidecar = Sidecar::start(&backup, []).await;

    let report = program(&sidecar, &target).run().await.failed(1, "NoSpace");

    assert_eq!(report.fault, Some(Fault::Disk));
    assert!(report.message.contains("MB are needed at /"), "{}", report.message);
    assert!(!sidecar.asked().iter().any(|path| path.contains("data")));
    assert_eq!(target.files(), Vec::<PathBuf>::new());
    disk.resize(400);
    Program::new(&backup, &target, V).run().await.restored();
    target.check(V, &expected).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_on_the_way_is_given_back_what_was_taken() {
    let original = Original::start(V).await;
    let expected = contents(V, original.place(), &[]);
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let disk = Disk::new(target.folder.path(), 400);
    let [waits, go_on] = [(); 2].map(|()| Arc::new(Notify::new()));
    let waiting = Answer::Waiting(300_000, waits.clone(), go_on.clone());
    let sidecar = Sidecar::start(&backup, [waiting]).await;
    let mut first = program(&sidecar, &target);
    let child = first.start();
    waits.notified().await;
    let filler = disk.fill();
    go_on.notify_one();

    let report = first.end(child).await.failed(1, "NoSpace");

    assert_eq!(report.fault, Some(Fault::Disk));
    assert_eq!(target.files(), std::slice::from_ref(&filler));
    std::fs::remove_file(filler).unwrap();
    program(&sidecar, &target).run().await.restored();
    target.check(V, &expected).await;
}

#[tokio::test]
async fn a_disk_that_is_full_for_etcdutl_is_named_so() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let disk = Disk::new(target.folder.path(), 400);
    let real = V.program("etcdutl");
    let script = target.folder.path().with_extension("etcdutl");
    // Fills the disk after it was measured, and before the real one gets to work.
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in version|*--help) ;; *) cat /dev/zero > {}/filler 2>/dev/null;; esac\n\
         exec {} \"$@\"\n",
        disk.0.display(),
        real.display()
    );
    std::fs::write(&script, text).unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, permissions).unwrap();

    let program = Program::with_etcdutl(&backup.url(), &target, &script);
    let ended = program.args(["--namespace=orchard", "--cluster=quince"]).run().await;

    std::fs::remove_file(script).unwrap();
    ended.failed(1, "NoSpace");
    assert_eq!(target.files(), [target.folder.path().join("filler")]);
}
