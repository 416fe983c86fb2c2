use std::time::Duration;

use archive::layout::BackupId;
use axum::http::Method;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::net::TcpStream;

use super::fixture::Site;
use crate::serve::engine::tests::world::{World, manifest, put};
use crate::serve::listener::Limits;

const SHORT: Duration = Duration::from_millis(300);

/// A site whose newest backup is larger than all buffers between server and client.
async fn large(limits: Limits) -> (Site, String) {
    let world = World::new();
    let time = world.clock.now();
    let mut manifest = manifest(&world.archive, 900, time, time);
    manifest.stored.size = 64 << 20;
    put(&*world.store, &world.archive, &manifest, vec![0; 64 << 20].into()).await;
    let site = Site::with(world, limits).await;
    site.until(async || site.world.status().backups > 0).await;
    (site, format!("/v1/backups/{}/data", BackupId::new(900, time)))
}

#[tokio::test]
async fn a_client_that_stops_reading_loses_its_connection_and_others_get_its_place() {
    let limits = Limits { streams: 1, idle: SHORT, ..Limits::default() };
    let (site, path) = large(limits).await;
    let mut slow = site.client().await;
    let unread = slow.begin(Method::GET, &path, &[], "").await.unwrap();
    assert_eq!(unread.status().as_u16(), 200);
    let refused = site.get(&path).await;
    assert_eq!(refused.error(), (503, "TooManyStreams".into()));
    assert_eq!(refused.header("Retry-After"), "5");
    site.until(async || {
        let mut other = site.client().await;
        let head = other.begin(Method::GET, &path, &[("range", "bytes=0-9")], "").await.unwrap();
        head.status().as_u16() == 206
    })
    .await;
    assert!(
        unread.into_body().collect().await.is_err(),
        "a stream that broke off must not look whole"
    );
}

#[tokio::test]
async fn a_client_that_goes_on_reading_gets_everything() {
    let limits = Limits { idle: Duration::from_secs(5), ..Limits::default() };
    let (site, path) = large(limits).await;
    let mut client = site.client().await;
    let mut body = client.begin(Method::GET, &path, &[], "").await.unwrap().into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().into_data().unwrap().len();
        tokio::task::yield_now().await;
    }
    assert_eq!(count, 64 << 20);
}

#[tokio::test]
async fn connections_without_a_handshake_end_and_give_others_their_place() {
    let limits = Limits { connections: 2, handshake: SHORT, ..Limits::default() };
    let site = Site::with(World::new(), limits).await;
    let silent = [
        TcpStream::connect(site.address).await.unwrap(),
        TcpStream::connect(site.address).await.unwrap(),
    ];
    assert_eq!(site.get("/v1/status").await.status.as_u16(), 200);
    drop(silent);
}

#[tokio::test]
async fn connections_without_a_request_end_and_give_others_their_place() {
    let limits = Limits { connections: 2, head: SHORT, ..Limits::default() };
    let site = Site::with(World::new(), limits).await;
    let idle = [site.client().await, site.client().await];
    assert_eq!(site.get("/v1/status").await.status.as_u16(), 200);
    drop(idle);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_does_not_come_is_refused() {
    let site = Site::with(World::new(), Limits { body: SHORT, ..Limits::default() }).await;
    let mut client = site.client().await;
    let large = Bytes::from(vec![b' '; (64 << 10) + 1]);
    let answer = client.ask(Method::PUT, "/v1/requests/u-1", &[], large).await;
    assert_eq!(answer.error(), (413, "Body".into()));
    let mut client = site.client().await;
    let headers = [("transfer-encoding", "chunked"), ("content-length", "9")];
    let answer = client.ask(Method::PUT, "/v1/requests/u-1", &headers[1..], "").await;
    assert_eq!(answer.error(), (408, "Body".into()));
}

#[tokio::test]
async fn a_server_that_is_to_stop_ends_though_clients_stay_connected() {
    let (site, path) = large(Limits { drain: SHORT, ..Limits::default() }).await;
    let idle = site.client().await;
    let mut slow = site.client().await;
    let unread = slow.begin(Method::GET, &path, &[], "").await.unwrap();
    site.stop().await;
    drop((idle, unread));
}
