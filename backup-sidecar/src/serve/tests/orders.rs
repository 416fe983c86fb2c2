use api::sidecar::{BackupRequest, RequestState};
use axum::http::Method;

use super::fixture::Site;

const ORDER: &str = r#"{"reason": "before-upgrade"}"#;

#[tokio::test]
async fn an_order_is_waited_for_and_the_same_again_is_the_same_backup() {
    let site = Site::new().await;
    let mut client = site.client().await;
    let first = client.ask(Method::PUT, "/v1/requests/u-1?wait=30s", &[], ORDER).await;
    assert_eq!(first.status.as_u16(), 200);
    let first: BackupRequest = first.json();
    assert_eq!((first.id.as_str(), first.state), ("u-1", RequestState::Stored));
    assert_eq!(first.backup.as_ref().unwrap().reason, "before-upgrade");
    let again: BackupRequest = client.ask(Method::PUT, "/v1/requests/u-1", &[], ORDER).await.json();
    let read: BackupRequest = site.get("/v1/requests/u-1?wait=30s").await.json();
    assert_eq!((again, read), (first.clone(), first));
    assert_eq!(site.world.attempts(), 2);
}

#[tokio::test]
async fn an_order_that_an_earlier_process_has_carried_out_is_still_known() {
    let site = Site::new().await;
    let mut client = site.client().await;
    let put = client.ask(Method::PUT, "/v1/requests/u-1?wait=30s", &[], ORDER).await;
    let put: BackupRequest = put.json();
    let mut world = crate::serve::engine::tests::world::World::new();
    world.store = site.world.store.clone();
    let next = Site::with(world, crate::serve::listener::Limits::default()).await;
    next.until(async || next.world.status().backups > 0).await;
    let read: BackupRequest = next.get("/v1/requests/u-1").await.json();
    assert_eq!((read.state, read.backup), (RequestState::Stored, put.backup));
}

#[tokio::test]
async fn an_order_that_nobody_gave_is_404_and_one_that_makes_no_sense_400() {
    let site = Site::new().await;
    let mut client = site.client().await;
    assert_eq!(site.get("/v1/requests/u-9").await.error(), (404, "NotFound".into()));
    let long = format!("/v1/requests/{}", "x".repeat(129));
    for (path, body) in [
        ("/v1/requests/u-1", "now!"),
        ("/v1/requests/u-1", r#"{"reason": "nightly"}"#),
        ("/v1/requests/u-1", r#"{"reason": "final", "member": "kv-0001"}"#),
        ("/v1/requests/a%2Fb", ORDER),
        ("/v1/requests/u-1?wait=soon", ORDER),
        (long.as_str(), ORDER),
    ] {
        let answer = client.ask(Method::PUT, path, &[], body.to_owned()).await;
        assert_eq!(answer.error(), (400, "BadInput".into()), "{path} {body}");
    }
    assert_eq!(site.world.attempts(), 1);
}
