//! The calls of the operator and restore-init, over mutual TLS.

use api::sidecar::{ApiError, BackupRequest, RequestState};
use archive::digest::Digest;
use axum::http::Method;
use testbed::{cluster::Cluster, programs::Version, s3};

use crate::{
    client::{Answer, Authority},
    harness::{Archive, output},
    sidecar::Site,
};

const ORDER: &str = r#"{"reason": "before-upgrade"}"#;
const HOUR: u64 = 3600;

fn refused(answer: &Answer, status: u16, reason: &str) {
    let error: ApiError = answer.json();
    assert_eq!((answer.status, error.reason.as_str()), (status, reason), "{}", error.message);
    assert!(!error.message.is_empty() && !error.message.contains('\n'), "{error:?}");
}

#[tokio::test]
async fn a_backup_is_taken_now_read_ordered_and_deleted() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), s3::Server::start());
    let archive = Archive::on(&server, "plums").await;
    let site = Site::of(&cluster, &archive, HOUR, 0);
    let running = site.start(&archive, &[]).await;
    site.wait("the first comes at once", |status| status.backups == 1).await;
    cluster.client(0).await.put(b"/fig", b"leaf").await.unwrap();

    let now = site.get("/v1/backupnow").await;
    assert_eq!(now.status, 200, "{}", now.text());
    let id = now.text().strip_prefix("stored as ").unwrap().trim();
    assert_eq!(site.backups().await[0].id, id);
    opens(&site, &archive).await;

    let first: BackupRequest =
        site.ask(Method::PUT, "/v1/requests/u-1?wait=30s", ORDER).await.json();
    assert_eq!(first.state, RequestState::Stored, "{first:?}");
    let again: BackupRequest =
        site.ask(Method::PUT, "/v1/requests/u-1?wait=30s", ORDER).await.json();
    assert_eq!(again.backup, first.backup);
    assert_eq!(site.backups().await.len(), 3);

    // The next process knows the order, and takes no backup that is not due.
    running.stop().await;
    let running = site.start(&archive, &[]).await;
    let known: BackupRequest =
        site.ask(Method::PUT, "/v1/requests/u-1?wait=30s", ORDER).await.json();
    assert_eq!((known.state, known.backup), (RequestState::Stored, first.backup));

    let path = format!("/v1/backups/{id}");
    assert_eq!(site.ask(Method::DELETE, &path, "").await.status, 204);
    refused(&site.get(&path).await, 404, "NotFound");
    refused(&site.ask(Method::DELETE, &path, "").await, 404, "NotFound");
    assert!(!archive.ids().await.contains(&id.to_owned()));
    assert_eq!(site.wait("it is counted", |status| status.backups == 2).await.backups, 2);

    assert_eq!(site.ask(Method::DELETE, "/v1/archive", "").await.status, 204);
    assert_eq!(archive.ids().await, [""; 0]);
    refused(&site.get("/v1/backupnow").await, 410, "Erased");
    running.stop().await;
}

/// The newest backup as the 2017 sidecar gave it, with etcd's own program.
async fn opens(site: &Site, archive: &Archive) {
    let newest = site.get("/v1/backup?etcdVersion=3.6.5").await;
    assert_eq!(newest.status, 200);
    let listed = &site.backups().await[0];
    assert_eq!(newest.header("x-revision"), listed.revision.to_string());
    assert_eq!(newest.header("x-etcd-version"), listed.etcd_version);
    assert_eq!(u64::try_from(newest.body.len()).unwrap(), listed.raw_size);
    let file = archive.scratch("served.db");
    std::fs::write(&file, &newest.body).unwrap();
    let words = ["snapshot", "status", file.to_str().unwrap(), "-w", "json"];
    let status = output(Version::V3_6.program("etcdutl"), &words);
    let status: serde_json::Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["revision"], listed.revision);

    let head = site.ask(Method::HEAD, "/v1/backup", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), newest.body.len().to_string());
    refused(&site.get("/v1/backup?etcdVersion=3.4.0").await, 400, "Incompatible");

    let manifest = site.get(&format!("/v1/backups/{}/manifest", listed.id)).await;
    assert_eq!(Digest::of(&manifest.body).to_string(), listed.manifest_digest);
    let data = site.get(&format!("/v1/backups/{}/data", listed.id)).await;
    assert_eq!(u64::try_from(data.body.len()).unwrap(), listed.stored_size);
}

#[tokio::test]
async fn a_manifest_has_the_spec_of_its_time_without_a_restart() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let site = Site::of(&cluster, &archive, HOUR, 0);
    let _running = site.start(&archive, &[]).await;
    site.wait("the first comes at once", |status| status.backups == 1).await;
    let sizes = async || {
        let mut sizes = Vec::new();
        for backup in site.backups().await {
            let manifest = site.get(&format!("/v1/backups/{}/manifest", backup.id)).await;
            sizes.push(manifest.json::<serde_json::Value>()["spec"]["size"].clone());
        }
        sizes
    };
    site.change("spec", serde_json::json!({"size": 5}));
    assert_eq!(site.get("/v1/backupnow").await.status, 200);
    assert_eq!(sizes().await, [5, 3]);
}

#[tokio::test]
async fn who_shows_no_certificate_of_the_authority_gets_no_answer_and_the_client_of_another_cluster_no_backup()
 {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let site = Site::of(&cluster, &archive, HOUR, 0);
    let _running = site.start(&archive, &[]).await;
    let stranger = Authority::new();
    for own in [None, Some(&stranger)] {
        let answer = site.ask_as(&site.authority.trusted_by(own)).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let own = site.authority.trusted_by(Some(&site.authority));
    assert_eq!(site.ask_as(&own).await.unwrap().status, 200);
    let other = "orders-backup-client.shop.svc";
    let other = site.authority.trusted_by_the_client(other, Some(&site.authority));
    refused(&site.ask_as(&other).await.unwrap(), 403, "OtherClient");
}

#[tokio::test]
async fn a_reader_shows_everything_and_changes_nothing() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let writer = Site::of(&cluster, &archive, HOUR, 0);
    let running = writer.start(&archive, &[]).await;
    writer.wait("a backup is there", |status| status.backups == 1).await;
    running.stop().await;
    drop(cluster);
    let files = archive.files();

    let site = Site::new(&archive, &[], 1, 1);
    let running = site.start(&archive, &["--read-only"]).await;
    let listed = site.backups().await;
    assert_eq!(listed.len(), 1);
    let newest = site.get("/v1/backup").await;
    assert_eq!(u64::try_from(newest.body.len()).unwrap(), listed[0].raw_size);
    let path = format!("/v1/backups/{}", listed[0].id);
    for (method, path) in [
        (Method::GET, "/v1/backupnow"),
        (Method::PUT, "/v1/requests/u-1"),
        (Method::DELETE, &path),
        (Method::DELETE, "/v1/archive"),
    ] {
        refused(&site.ask(method, path, ORDER).await, 403, "ReadOnly");
    }
    assert_eq!(site.status().await.next, None);
    running.stop().await;
    // But for the note that the backup is read, which keeps others from pruning it.
    let is_note = |path: &std::path::PathBuf| path.to_string_lossy().contains("/wanted-");
    let (notes, others): (Vec<_>, Vec<_>) = archive.files().into_iter().partition(is_note);
    assert_eq!((notes.len(), others), (1, files));
}
