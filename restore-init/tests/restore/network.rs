//! Backups that come from a sidecar, over connections that break.

use std::{path::PathBuf, sync::Arc};

use api::restore::Fault;
use testbed::{member::send_signal, programs::Version};
use tokio::sync::Notify;

use crate::{
    backup::Stored,
    original::{Original, Target, contents},
    program::Program,
    sidecar::{Answer, Sidecar},
};

const V: Version = Version::V3_6;

async fn stored() -> Stored {
    Stored::of(&Original::start(V).await).await
}

pub(crate) fn program(sidecar: &Sidecar, target: &Target) -> Program {
    let tls = sidecar.tls.path().to_str().unwrap();
    Program::from(&sidecar.url, target, V).args(["--tls-dir", tls])
}

#[tokio::test]
async fn the_newest_backup_comes_from_the_sidecar() {
    let original = Original::start(V).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let sidecar = Sidecar::start(&backup, []).await;

    let report = program(&sidecar, &target).run().await.restored();

    assert_eq!(report.manifest_digest, Some(backup.digest.to_string()));
    let id = backup.id();
    let asked = ["/v1/backups".into(), format!("/v1/backups/{id}/manifest"), data(&backup, 0)];
    assert_eq!(sidecar.asked(), asked);
    target.check(V, &contents(V, original.place(), &[])).await;
}

fn data(backup: &Stored, from: usize) -> String {
    format!("/v1/backups/{}/data@{from}", backup.id())
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let (backup, target) = (stored().await, Target::new());
    let sidecar = Sidecar::start(&backup, [Answer::Broken(400_000), Answer::Broken(300_000)]).await;

    let id = backup.id();
    program(&sidecar, &target).args(["--backup", &id]).run().await.restored();

    let asked = sidecar.asked();
    assert_eq!(asked[1..], [0, 400_000, 700_000].map(|from| data(&backup, from)));
}

#[tokio::test]
async fn a_sidecar_that_nobody_reaches_says_nothing_about_the_backup() {
    let (backup, target) = (stored().await, Target::new());
    let sidecar = Sidecar::start(&backup, []).await;
    let tls = sidecar.tls.path().to_str().unwrap();
    let nobody = Program::from("https://localhost:9", &target, V).args(["--tls-dir", tls]);
    let report = nobody.run().await.failed(1, "Unavailable");
    assert_eq!(report.fault, Some(Fault::Store));
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_certificate_of_another_authority_opens_nothing() {
    let (backup, target) = (stored().await, Target::new());
    let [sidecar, other] = [Sidecar::start(&backup, []).await, Sidecar::start(&backup, []).await];
    for file in ["tls.crt", "tls.key"] {
        std::fs::copy(other.tls.path().join(file), sidecar.tls.path().join(file)).unwrap();
    }
    let report = program(&sidecar, &target).run().await.failed(1, "Unavailable");
    assert_eq!(report.fault, Some(Fault::Store));
    assert_eq!(sidecar.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_the_authority_did_not_sign_is_told_nothing() {
    let (backup, target) = (stored().await, Target::new());
    let [sidecar, other] = [Sidecar::start(&backup, []).await, Sidecar::start(&backup, []).await];
    std::fs::copy(other.tls.path().join("ca.crt"), sidecar.tls.path().join("ca.crt")).unwrap();
    program(&sidecar, &target).run().await.failed(1, "Unavailable");
    assert_eq!(sidecar.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_sidecar_says_is_passed_on() {
    let (backup, target) = (stored().await, Target::new());
    let refused = Answer::Refused(403, "the plum was eaten");
    let sidecar = Sidecar::start(&backup, [refused]).await;
    let report = program(&sidecar, &target).run().await.failed(1, "Credentials");
    assert!(report.message.contains("the plum was eaten"), "{}", report.message);
    assert_eq!(report.fault, Some(Fault::Store));
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_backup_that_is_deleted_while_it_is_read_is_told_as_such() {
    let (backup, target) = (stored().await, Target::new());
    let sidecar = Sidecar::start(&backup, [Answer::Refused(404, "the plum was eaten")]).await;
    let report = program(&sidecar, &target).run().await.failed(3, "BackupDeleted");
    assert!(report.message.contains("deleted while it was being read"), "{}", report.message);
    assert_eq!(report.fault, Some(Fault::Backup));
    assert_eq!(target.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_signal_ends_it_at_once_and_the_next_run_starts_over() {
    let (backup, target) = (stored().await, Target::new());
    let [waits, go_on] = [(); 2].map(|()| Arc::new(Notify::new()));
    let waiting = Answer::Waiting(500_000, waits.clone(), go_on);
    let sidecar = Sidecar::start(&backup, [waiting]).await;
    let mut first = program(&sidecar, &target);
    let child = first.start();
    waits.notified().await;
    send_signal(child.id().unwrap(), "TERM");
    let ended = first.end(child).await;
    assert_eq!(ended.code, Some(143));
    assert!(ended.report.unwrap().retryable);
    program(&sidecar, &target).run().await.restored();
}

#[tokio::test]
async fn two_at_once_do_not_disturb_each_other() {
    let (backup, target) = (stored().await, Target::new());
    let [waits, go_on] = [(); 2].map(|()| Arc::new(Notify::new()));
    let waiting = Answer::Waiting(500_000, waits.clone(), go_on.clone());
    let sidecar = Sidecar::start(&backup, [waiting]).await;
    let mut first = program(&sidecar, &target);
    let child = first.start();
    waits.notified().await;
    let second = Program::new(&backup, &target, V).run().await;
    second.failed(1, "Busy");
    go_on.notify_one();
    first.end(child).await.restored();
}
