use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metrics};
use crate::serve::engine::tests::world::World;
use crate::serve::health::Health;
use crate::serve::listener::{Limits, Server};

/// Status and body of a plain request.
async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

async fn serve(world: &World) -> std::net::SocketAddr {
    serve_within(world, Limits::default()).await
}

async fn serve_within(world: &World, limits: Limits) -> std::net::SocketAddr {
    let mut registry = telemetry::Metrics::new(metrics::PREFIX, "1.2.3");
    let metrics = Metrics::register(registry.registry());
    let health = Health {
        ready: world.shown.ready.clone(),
        metrics: metrics.clone(),
        registry: Arc::new(registry),
        clock: world.clock.clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = health.routes();
    let server = Server { listener, routes, certificates: None, clients: None, limits, metrics };
    drop(tokio::spawn(server.run(CancellationToken::new())));
    address
}

#[tokio::test]
async fn it_is_ready_once_the_store_has_answered() {
    let mut world = World::new();
    let address = serve(&world).await;
    assert_eq!(get(address, "/healthz").await.0, 200);
    let (status, text) = get(address, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("waiting for the first answer of the store"), "{text}");
    world.start();
    let address = serve(&world).await;
    let ready = world.shown.ready.clone();
    tokio::time::timeout(Duration::from_secs(30), ready.cancelled()).await.unwrap();
    assert_eq!(get(address, "/readyz").await.0, 200);
}

#[tokio::test]
async fn a_dead_store_does_not_keep_it_unready() {
    let mut world = World::new();
    world.closed.store(u64::MAX, Ordering::SeqCst);
    world.start();
    let address = serve(&world).await;
    let ready = world.shown.ready.clone();
    tokio::time::timeout(Duration::from_secs(30), ready.cancelled()).await.unwrap();
    assert_eq!(get(address, "/readyz").await.0, 200);
    assert!(world.status().failing.is_some());
}

#[tokio::test]
async fn a_request_that_trickles_in_is_not_waited_for() {
    let limits = Limits { head: Duration::from_millis(300), ..Limits::default() };
    let address = serve_within(&World::new(), limits).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").await.unwrap();
    let trickle = async {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), trickle).await.expect("the connection ends");
}

#[tokio::test]
async fn metrics_bear_the_prefix_and_their_units() {
    let world = World::new();
    let address = serve(&world).await;
    let (status, text) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "etcd_backup_build_info",
        "etcd_backup_last_success_timestamp_seconds",
        "etcd_backup_last_success_age_seconds",
        "etcd_backup_duration_seconds_bucket",
        "etcd_backup_database_bytes_total",
        "etcd_backup_stored_bytes_total",
        "etcd_backup_archive_bytes",
        "etcd_backup_backups",
        "etcd_backup_earlier_backups",
        "etcd_backup_running",
        "etcd_backup_consecutive_failures",
        "etcd_backup_retention_deleted_total",
        "etcd_backup_api_connections",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name}: {text}");
    }
}
