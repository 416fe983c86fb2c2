use std::time::Duration;

use api::sidecar::SidecarStatus;
use axum::http::Method;

use super::fixture::Site;
use crate::serve::engine::tests::world::{Act, World};
use crate::serve::listener::Limits;
use crate::serve::taker::Problem;

#[tokio::test]
async fn the_newest_backup_comes_as_a_plain_database_with_version_and_revision() {
    let site = Site::new().await;
    let whole = site.get("/v1/backup").await;
    assert_eq!((whole.status.as_u16(), &whole.body[..]), (200, &b"plums"[..]));
    let head = site.ask(Method::HEAD, "/v1/backup?etcdVersion=3.6.16").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for answer in [whole, head] {
        assert_eq!(answer.header("X-etcd-Version"), "3.5.15");
        assert_eq!(answer.header("X-Revision"), "100");
        assert_eq!(answer.header("Content-Length"), "5");
    }
}

#[tokio::test]
async fn a_version_that_cannot_start_on_the_backup_is_400() {
    let site = Site::new().await;
    for (version, status) in [
        ("3.5.0", 200),
        ("3.6.0-alpha.1", 200),
        ("", 200),
        ("3.7.0", 400),
        ("3.4.1", 400),
        ("x", 400),
    ] {
        let path = format!("/v1/backup?etcdVersion={version}");
        assert_eq!(site.get(&path).await.status.as_u16(), status, "{version}");
        assert_eq!(site.ask(Method::HEAD, &path).await.status.as_u16(), status, "{version}");
    }
    assert_eq!(
        site.get("/v1/backup?etcdVersion=3.7.0").await.error(),
        (400, "Incompatible".into())
    );
}

#[tokio::test]
async fn without_a_backup_the_answer_is_404() {
    let site = Site::with(World::new().acts([Act::Unchanged]), Limits::default()).await;
    site.until(async || site.world.attempts() == 1).await;
    assert_eq!(site.get("/v1/backup").await.error(), (404, "NotFound".into()));
    assert_eq!(site.ask(Method::HEAD, "/v1/backup").await.status.as_u16(), 404);
}

#[tokio::test]
async fn backupnow_takes_any_method_and_answers_when_the_backup_is_stored() {
    let site = Site::new().await;
    for (method, backups) in [(Method::GET, 2), (Method::POST, 3)] {
        let answer = site.ask(method, "/v1/backupnow").await;
        assert_eq!(answer.status.as_u16(), 200);
        assert!(answer.body.starts_with(b"stored as 00000000000000"), "{answer:?}");
        let status: SidecarStatus = site.get("/v1/status").await.json();
        assert_eq!(status.backups, backups);
    }
}

#[tokio::test]
async fn backupnow_that_fails_is_500_with_the_reason() {
    let full = Act::Fail(Problem::new("Full", "the store is full; make room"));
    let world = World::new().acts([Act::Store(Duration::ZERO), full]);
    let site = Site::with(world, Limits::default()).await;
    site.until(async || site.world.status().backups == 1).await;
    let answer = site.get("/v1/backupnow").await;
    assert_eq!(answer.error(), (500, "Full".into()));
    assert!(String::from_utf8_lossy(&answer.body).contains("the store is full; make room"));
}

#[tokio::test]
async fn the_status_has_the_seeds_names() {
    let site = Site::new().await;
    let status: serde_json::Value = site.get("/v1/status").await.json();
    assert_eq!(status["backups"], 1);
    assert!(status["backupSize"].is_number());
    let recent = &status["recentBackup"];
    assert_eq!(
        (recent["version"].as_str(), recent["timeTookInSecond"].as_u64()),
        (Some("3.5.15"), Some(2))
    );
    assert!(recent["creationTime"].as_str().unwrap().starts_with("2026-11-24T10:00:01"));
}

#[tokio::test]
async fn who_waits_for_the_status_is_told_of_a_change_at_once() {
    let site = Site::new().await;
    // The backup is followed by retention and cleaning up, which change nothing that is shown.
    let before: SidecarStatus = site.get("/v1/status").await.json();
    let path = format!("/v1/status?after={}&wait=30s", before.sequence);
    let mut waiting = site.client().await;
    let change = async {
        let answer = site.get("/v1/backupnow").await;
        assert_eq!(answer.status.as_u16(), 200);
    };
    let (answer, ()) = tokio::join!(waiting.ask(Method::GET, &path, &[], ""), change);
    assert!(answer.json::<SidecarStatus>().sequence > before.sequence);
    let old: SidecarStatus = site.get("/v1/status?after=1&wait=30s").await.json();
    assert!(old.sequence > before.sequence);
    for query in ["after=x", "after=1&wait=soon"] {
        let answer = site.get(&format!("/v1/status?{query}")).await;
        assert_eq!(answer.error(), (400, "BadInput".into()));
    }
}
