//! Backups and directories that will not do: a sentence, and nothing changed.

use std::{fs, path::Path};

use api::restore::Fault;
use archive::{digest::Digest, manifest::Manifest};
use testbed::programs::Version;

use crate::{
    backup::Stored,
    original::{Original, Target},
    program::{Ended, Program},
};

const V: Version = Version::V3_6;

async fn raw() -> Vec<u8> {
    Original::start(V).await.snapshot()
}

async fn stored() -> Stored {
    Stored::of_bytes(&raw().await, "3.6.16", |_| {}).await
}

/// Runs on a fresh target, where nothing must be left.
async fn run(backup: &Stored, more: &[&str]) -> Ended {
    let target = Target::new();
    let ended = Program::new(backup, &target, V).args(more).run().await;
    assert_eq!(target.files(), Vec::<std::path::PathBuf>::new());
    ended
}

async fn expect_damaged(backup: &Stored, words: &str) {
    let report = run(backup, &[]).await.failed(3, "Damaged");
    assert_eq!(report.fault, Some(Fault::Backup));
    assert!(report.message.contains(words), "{}", report.message);
    assert_eq!(report.backup, Some(backup.id()));
    assert_eq!(report.bumped_revision, None);
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn a_truncated_object_is_refused() {
    let backup = stored().await;
    change(&backup.data(), |bytes| bytes.truncate(bytes.len() / 2));
    expect_damaged(&backup, "where its manifest says").await;
}

#[tokio::test]
async fn an_object_that_is_too_long_is_refused() {
    let backup = stored().await;
    change(&backup.data(), |bytes| bytes.push(0));
    expect_damaged(&backup, "where its manifest says").await;
}

#[tokio::test]
async fn a_flipped_bit_is_refused_wherever_it_is() {
    let backup = stored().await;
    let good = fs::read(backup.data()).unwrap();
    for at in [0, 3, good.len() / 3, good.len() / 2, good.len() - 1] {
        fs::write(backup.data(), &good).unwrap();
        change(&backup.data(), |bytes| bytes[at] ^= 0x10);
        expect_damaged(&backup, "").await;
    }
}

#[tokio::test]
async fn the_object_of_another_backup_is_refused() {
    let (backup, other) = (stored().await, stored().await);
    let other = fs::read(other.data()).unwrap();
    let size = fs::metadata(backup.data()).unwrap().len();
    // Of the same size: the digest has to find it.
    change(&backup.data(), |bytes| bytes.clone_from(&other));
    change(&backup.data(), |bytes| bytes.resize(usize::try_from(size).unwrap(), 0));
    expect_damaged(&backup, "").await;
}

#[tokio::test]
async fn a_snapshot_that_was_damaged_before_it_was_stored_is_refused() {
    let whole = raw().await;
    let mut flipped = whole.clone();
    flipped[20_000] ^= 1;
    for (kept, words) in [(&flipped[..], "is damaged"), (&whole[..whole.len() / 2], "is damaged")] {
        let backup = Stored::of_other_bytes(&whole, kept, "3.6.16", |_| {}).await;
        expect_damaged(&backup, words).await;
    }
}

type Lie = fn(&mut Manifest);

#[tokio::test]
async fn a_manifest_that_lies_is_refused() {
    let whole = raw().await;
    let lies: [(Lie, &str); 4] = [
        (|manifest| manifest.raw.size += 1, "its manifest says"),
        (|manifest| manifest.raw.sha256 = Digest::of(b"plum"), "SHA-256"),
        (|manifest| manifest.revision += 1, "its last revision is"),
        (|manifest| manifest.source.storage_version = Some("3.5.0".into()), "its layout"),
    ];
    for (lie, words) in lies {
        expect_damaged(&Stored::of_bytes(&whole, "3.6.16", lie).await, words).await;
    }
}

#[tokio::test]
async fn a_backup_whose_manifest_is_not_the_pinned_one_is_refused() {
    let backup = stored().await;
    let (id, other) = (backup.id(), Digest::of(b"plum").to_string());
    let pinned = ["--uid=0e1f-77", "--backup", &id, "--manifest-digest", &other];
    let report = run(&backup, &pinned).await.failed(3, "OtherManifest");
    assert_eq!(report.fault, Some(Fault::Backup));
    let digest = backup.digest.to_string();
    let target = Target::new();
    let pinned = ["--uid=0e1f-77", "--backup", &id, "--manifest-digest", &digest];
    Program::new(&backup, &target, V).args(pinned).run().await.restored();
}

#[tokio::test]
async fn what_a_later_version_wrote_is_refused() {
    let whole = raw().await;
    let encrypted = |manifest: &mut Manifest| manifest.stored.encodings.push("age".into());
    let backup = Stored::of_bytes(&whole, "3.6.16", encrypted).await;
    let report = run(&backup, &[]).await.failed(3, "Unsupported");
    assert!(report.message.contains("use a newer one"), "{}", report.message);

    let backup = Stored::of_bytes(&whole, "3.6.16", |manifest| manifest.format = 2).await;
    let report = run(&backup, &[]).await.failed(3, "UnknownFormat");
    assert!(report.message.contains("use a newer version"), "{}", report.message);
    assert_eq!(report.fault, Some(Fault::Backup));
}

#[tokio::test]
async fn a_store_without_backups_says_so() {
    let backup = stored().await;
    let report = run(&backup, &["--uid=elsewhere"]).await.failed(3, "NoBackup");
    assert_eq!(report.fault, Some(Fault::Store));
    assert!(report.message.contains("holds no backup of orchard/quince"), "{}", report.message);

    let missing = ["--backup=00000000000000aa-20261122T164906Z"];
    let report = run(&backup, &missing).await.failed(3, "NotFound");
    assert_eq!(report.fault, Some(Fault::Backup));
}

#[tokio::test]
async fn a_store_that_is_not_there_may_come() {
    let target = Target::new();
    let program = Program::from("file:///no/such/volume", &target, V).args(["--cluster=quince"]);
    let report = program.run().await.failed(1, "NoBucket");
    assert_eq!(report.fault, Some(Fault::Store));
}

#[tokio::test]
async fn data_never_goes_back_to_an_older_version() {
    let backup = stored().await;
    // The refusal comes before the first byte: without data nothing else could be said.
    fs::remove_file(backup.data()).unwrap();
    let target = Target::new();
    let ended = Program::new(&backup, &target, Version::V3_5).run().await;
    let report = ended.failed(3, "IncompatibleVersion");
    assert_eq!(report.fault, Some(Fault::Target));
    assert!(report.message.contains("holds data of etcd 3.6"), "{}", report.message);
    assert_eq!(target.files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_directory_with_something_in_it_is_left_as_it_is() {
    let (backup, target) = (stored().await, Target::new());
    let photo = target.data_dir().join("member").join("photo");
    fs::create_dir_all(photo.parent().unwrap()).unwrap();
    fs::write(&photo, "apple tree").unwrap();
    let before = target.files();
    let ended = Program::new(&backup, &target, V).run().await;
    let report = ended.failed(3, "DataDirNotEmpty");
    assert_eq!(report.fault, Some(Fault::DataDir));
    assert_eq!((target.files(), fs::read_to_string(photo).unwrap()), (before, "apple tree".into()));
}

#[tokio::test]
async fn the_directory_of_another_restore_is_left_as_it_is() {
    let (backup, target) = (stored().await, Target::new());
    Program::new(&backup, &target, V).args(["--restore-id=first"]).run().await.restored();
    let before = target.files();
    let ended = Program::new(&backup, &target, V).args(["--restore-id=second"]).run().await;
    let report = ended.failed(3, "DataDirNotEmpty");
    assert!(report.message.contains("another restore (first)"), "{}", report.message);
    assert_eq!(target.files(), before);
}

#[tokio::test]
async fn a_command_line_that_cannot_be_used_has_a_code_of_its_own() {
    let (backup, target) = (stored().await, Target::new());
    let ended = Program::new(&backup, &target, V).args(["--backup=newest"]).run().await;
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.report.unwrap().fault, Some(Fault::Usage));
}
