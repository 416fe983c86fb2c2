//! Killed at any point, the next run finishes or starts over.

use std::os::unix::process::ExitStatusExt;

use testbed::{programs::Version, until};

use crate::{
    backup::Stored,
    original::{Contents, Original, Target, contents},
    program::Program,
};

const V: Version = Version::V3_6;

async fn a_kill_at(stage: &str, leaves_a_data_dir: bool) {
    let original = Original::start(V).await;
    let expected: Contents = contents(V, original.place(), &[]);
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let mut program = Program::new(&backup, &target, V).dying_at(stage);
    let status = program.start().wait().await.unwrap();
    assert_eq!(status.signal(), Some(6), "it goes through the stage {stage}");
    assert_eq!(target.data_dir().exists(), leaves_a_data_dir);
    let working = format!("{}.restoring", target.data_dir().display());
    assert!(std::path::Path::new(&working).exists());
    until("no etcdutl outlives it", async || (!is_in_a_command_line(&working)).then_some(())).await;

    let report = Program::new(&backup, &target, V).run().await.restored();

    assert_eq!(report.already_restored, leaves_a_data_dir);
    assert!(!std::path::Path::new(&working).exists());
    target.check(V, &expected).await;
}

/// Whether any process of this machine bears the text.
pub(crate) fn is_in_a_command_line(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    let lines =
        processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(text))
}

#[tokio::test]
async fn a_kill_before_the_download_is_made_good() {
    a_kill_at("workspace", false).await;
}

#[tokio::test]
async fn a_kill_within_the_download_is_made_good() {
    a_kill_at("downloading", false).await;
}

#[tokio::test]
async fn a_kill_after_the_download_is_made_good() {
    a_kill_at("downloaded", false).await;
}

#[tokio::test]
async fn a_kill_while_etcdutl_works_is_made_good() {
    a_kill_at("restoring", false).await;
}

#[tokio::test]
async fn a_kill_after_etcdutl_is_made_good() {
    a_kill_at("restored", false).await;
}

#[tokio::test]
async fn a_kill_before_the_rename_is_made_good() {
    a_kill_at("marked", false).await;
}

#[tokio::test]
async fn a_kill_after_the_rename_is_made_good() {
    a_kill_at("renamed", true).await;
}
