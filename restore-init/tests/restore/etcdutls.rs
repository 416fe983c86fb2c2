//! An etcdutl that is missing, old, or fails.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use api::restore::Fault;
use tempfile::TempDir;
use testbed::{programs::Version, until};

use crate::{
    backup::Stored,
    killed::is_in_a_command_line,
    original::{Original, Target, contents},
    program::{Ended, Program},
};

const V: Version = Version::V3_6;

/// A script in place of etcdutl; `$real` is the real one.
struct Script(TempDir);

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let real = V.program("etcdutl");
        let script = Self(folder);
        fs::write(script.path(), format!("#!/bin/sh\nreal={}\n{text}\n", real.display())).unwrap();
        fs::set_permissions(script.path(), Permissions::from_mode(0o755)).unwrap();
        script
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("etcdutl")
    }

    async fn run(&self, backup: &Stored, target: &Target) -> Ended {
        let url = backup.url();
        Program::with_etcdutl(&url, target, &self.path())
            .args(["--namespace=orchard", "--cluster=quince"])
            .env("ETCD_RESTORE_INIT_STALLED_AFTER_MS", "1500")
            .run()
            .await
    }
}

/// Answers questions and does not restore.
const ASKED: &str = "case \"$*\" in version|*--help) exec $real \"$@\";; esac\n";

#[tokio::test]
async fn without_etcdutl_nothing_is_begun() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    for script in [Script::new("exit 1"), Script::new("echo plum")] {
        let report = script.run(&backup, &target).await.failed(3, "NoEtcdutl");
        assert_eq!(report.fault, Some(Fault::Target));
    }
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_old_etcdutl_restores_without_raising_revisions_and_that_is_said() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let old = Script::new(
        "case \"$*\" in *--help) $real \"$@\" | grep -v bump;; *) exec $real \"$@\";; esac",
    );
    let report = old.run(&backup, &target).await.restored();
    assert_eq!(report.bumped_revision, None);
    assert!(report.message.contains("cannot raise revisions"), "{}", report.message);
    target.check(V, &contents(V, original.place(), &[])).await;
}

#[tokio::test]
async fn what_a_failing_etcdutl_says_is_passed_on() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let failing = Script::new(&format!("{ASKED}echo 'Error: worms' >&2; exit 7"));
    let report = failing.run(&backup, &target).await.failed(1, "EtcdutlFailed");
    assert!(report.message.contains("Error: worms"), "{}", report.message);
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_etcdutl_that_stands_still_is_ended() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let still = Script::new(&format!("{ASKED}exec sleep 1000"));
    let report = still.run(&backup, &target).await.failed(1, "EtcdutlStalled");
    assert_eq!(report.fault, Some(Fault::Disk));
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_etcdutl_does_not_outlive_the_program() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let seconds = format!("1000.{}", std::process::id());
    let busy = Script::new(&format!("{ASKED}exec sleep {seconds}"));
    let program = Program::with_etcdutl(&backup.url(), &target, &busy.path());
    let mut program = program.args(["--namespace=orchard", "--cluster=quince"]);
    let mut child = program.start();
    until("etcdutl runs", async || is_in_a_command_line(&seconds).then_some(())).await;

    child.kill().await.unwrap();

    until("etcdutl ends", async || (!is_in_a_command_line(&seconds)).then_some(())).await;
}
