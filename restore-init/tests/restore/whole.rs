//! Backups that come back, with every key compared.

use testbed::{on_each_version, programs::Version};

use crate::{
    backup::Stored,
    original::{Original, Target, contents, etcdctl},
    program::Program,
};

on_each_version!(every_key_and_lease_comes_back_as_it_was, a_backup_with_auth_comes_back_with_auth,);

/// Whoever saw a revision after the backup's last is told so.
const BUMPED: u64 = 1_000_000_000;

async fn every_key_and_lease_comes_back_as_it_was(version: Version) {
    let original = Original::start(version).await;
    let before = contents(version, original.place(), &[]);
    assert_eq!(before.0.as_array().unwrap().len(), 105);
    let (backup, target) = (Stored::of(&original).await, Target::new());

    let ended = Program::new(&backup, &target, version).run().await;

    assert!(ended.stderr.contains("(the newest) of orchard/quince"), "{}", ended.stderr);
    assert!(ended.stderr.contains("download: 100 %"), "{}", ended.stderr);
    let report = ended.restored();
    assert_eq!(report.backup, Some(backup.id()));
    assert_eq!(report.manifest_digest, Some(backup.digest.to_string()));
    assert_eq!(report.bumped_revision, Some(backup.manifest.revision + BUMPED));
    let _restored = target.start(version, &[]).await;
    assert_eq!(contents(version, &target.place, &[]), before);
    let status = etcdctl(version, &target.place, &["endpoint", "status", "-w", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let revision = status[0]["Status"]["header"]["revision"].as_u64().unwrap();
    assert_eq!(Some(revision), report.bumped_revision);
    assert!(!target.log().contains("invalid file"), "etcd dislikes the marker");
}

async fn a_backup_with_auth_comes_back_with_auth(version: Version) {
    let original = Original::start(version).await;
    original.ctl(&["user", "add", "root:plum"]);
    original.ctl(&["user", "grant-role", "root", "root"]);
    original.ctl(&["auth", "enable"]);
    let user = ["--user=root:plum"];
    let before = contents(version, original.place(), &user);
    let raw = {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("saved.db");
        original.ctl(&["snapshot", "save", file.to_str().unwrap(), user[0]]);
        std::fs::read(file).unwrap()
    };
    let backup = Stored::of_bytes(&raw, &format!("{}.0", version.minor()), |_| {}).await;
    let target = Target::new();

    let report = Program::new(&backup, &target, version).run().await.restored();

    assert_eq!(report.auth_enabled, Some(true));
    assert!(report.message.contains("ask for users and passwords"), "{}", report.message);
    let _restored = target.start(version, &user).await;
    assert_eq!(contents(version, &target.place, &user), before);
}

#[tokio::test]
async fn a_backup_goes_up_by_one_minor_version() {
    for (from, to) in [(Version::V3_5, Version::V3_6), (Version::V3_6, Version::V3_7)] {
        let original = Original::start(from).await;
        let (backup, target) = (Stored::of(&original).await, Target::new());
        Program::new(&backup, &target, to).run().await.restored();
        target.check(to, &contents(to, original.place(), &[])).await;
    }
}

#[tokio::test]
async fn revisions_go_on_where_they_were_when_that_is_asked_for() {
    let original = Original::start(Version::V3_6).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());

    let program = Program::new(&backup, &target, Version::V3_6).args(["--keep-revisions"]);
    let report = program.run().await.restored();

    assert_eq!(report.bumped_revision, None);
    let _restored = target.start(Version::V3_6, &[]).await;
    // An old revision can still be read: nothing was compacted.
    let revision = format!("--rev={}", backup.manifest.revision - 20);
    etcdctl(Version::V3_6, &target.place, &["get", "/trees/030", &revision]);
    let status = etcdctl(Version::V3_6, &target.place, &["endpoint", "status", "-w", "fields"]);
    assert!(status.contains(&format!("\"Revision\" : {}\n", backup.manifest.revision)), "{status}");
}

#[tokio::test]
async fn a_restore_that_is_done_is_not_done_again() {
    let original = Original::start(Version::V3_6).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let first = Program::new(&backup, &target, Version::V3_6).run().await.restored();
    let (url, files) = (backup.url(), target.files());
    // It asks nobody any more.
    drop(backup);

    let program = Program::from(&url, &target, Version::V3_6).args(["--cluster=quince"]);
    let second = program.run().await.restored();

    assert!(second.already_restored && !first.already_restored);
    assert_eq!((second.revision, second.manifest_digest), (first.revision, first.manifest_digest));
    assert_eq!(target.files(), files);
}

#[tokio::test]
async fn an_empty_data_directory_is_as_good_as_none() {
    let original = Original::start(Version::V3_6).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    std::fs::create_dir(target.data_dir()).unwrap();
    Program::new(&backup, &target, Version::V3_6).run().await.restored();
    target.check(Version::V3_6, &contents(Version::V3_6, original.place(), &[])).await;
}
