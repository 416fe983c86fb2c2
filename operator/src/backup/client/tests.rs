//! The client against a real server with mutual TLS on this machine.

use std::net::SocketAddr;

use api::sidecar::RequestState;
use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::routing::{delete, get, put};
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::pki::{Authorities, Authority, Leaf, Purpose};

const HOST: &str = "orders-backup-sidecar.shop.svc";

fn now() -> Timestamp {
    crate::clock::now()
}

pub fn pair(authorities: &Authorities, name: &str, purpose: Purpose) -> Pair {
    let leaf = Leaf { common_name: name.into(), names: vec![name.into()], purpose };
    leaf.sign(&Authority::read(&authorities.current).unwrap(), now()).unwrap()
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A sidecar that serves these routes to whoever that authority signed.
pub async fn sidecar(
    authorities: &Authorities,
    routes: Router,
) -> (SocketAddr, AbortOnDropHandle<()>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    sidecar_on(tcp, authorities, routes)
}

/// As [`sidecar`], on this listener.
pub fn sidecar_on(
    tcp: TcpListener,
    authorities: &Authorities,
    routes: Router,
) -> (SocketAddr, AbortOnDropHandle<()>) {
    serve_on(tcp, &authorities.trusted, &pair(authorities, HOST, Purpose::Server), routes)
}

/// A sidecar with this certificate for whoever these trust.
pub async fn serve(
    trusted: &str,
    own: &Pair,
    routes: Router,
) -> (SocketAddr, AbortOnDropHandle<()>) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve_on(tcp, trusted, own, routes)
}

fn serve_on(
    tcp: TcpListener,
    trusted: &str,
    own: &Pair,
    routes: Router,
) -> (SocketAddr, AbortOnDropHandle<()>) {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(trusted).unwrap() {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.expose().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates(&own.certificate).unwrap(), key)
        .unwrap();
    let address = tcp.local_addr().unwrap();
    let listener = TlsListener { tcp, tls: TlsAcceptor::from(Arc::new(config)) };
    let serving = async { axum::serve(listener, routes).await.unwrap() };
    (address, AbortOnDropHandle::new(tokio::spawn(serving)))
}

pub fn client(address: SocketAddr, authorities: &Authorities) -> SidecarClient {
    let own = pair(authorities, "orders-backup-client.shop.svc", Purpose::Client);
    SidecarClient::new(address, HOST, &authorities.trusted, &own).unwrap()
}

#[tokio::test]
async fn a_status_is_waited_for_by_its_number() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let status = |RawQuery(query): RawQuery| async move {
        let sequence = if query.as_deref() == Some("after=7&wait=30s") { 8 } else { 7 };
        json!({"backups": 3, "backupSize": 1.5, "sequence": sequence}).to_string()
    };
    let routes = Router::new().route("/v1/status", get(status));
    let (address, _server) = sidecar(&authorities, routes).await;
    let client = client(address, &authorities);
    let first = client.status(None).await.unwrap();
    assert_eq!((first.sequence, first.backups), (7, 3));
    assert_eq!(client.status(Some(7)).await.unwrap().sequence, 8);
}

#[tokio::test]
async fn an_order_carries_its_reason_and_a_refusal_its_sentence() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let order = |Path(id): Path<String>, body: String| async move {
        assert_eq!(body, r#"{"reason":"final"}"#);
        json!({"id": id, "state": "Uploading", "received": 5}).to_string()
    };
    let locked = || async {
        let error = json!({"reason": "Locked", "message": "it is locked until 2030"});
        (StatusCode::LOCKED, error.to_string())
    };
    let gone = || async { StatusCode::NOT_FOUND };
    let routes = Router::new()
        .route("/v1/requests/{id}", put(order))
        .route("/v1/archive", delete(gone))
        .route("/v1/backups/{id}", delete(locked));
    let (address, _server) = sidecar(&authorities, routes).await;
    let client = client(address, &authorities);
    let wanted = BackupOrder { reason: "final".into(), ..BackupOrder::default() };
    let request = client.order("final-u-1", &wanted, Duration::from_secs(3)).await.unwrap();
    assert_eq!((request.state, request.received), (RequestState::Uploading, 5));
    let refused = client.remove("0a-20261122T164906Z").await.unwrap_err();
    assert_eq!(refused.to_string(), "it is locked until 2030");
    client.remove_archive().await.unwrap();
}

#[tokio::test]
async fn an_order_that_nobody_gave_is_none() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let known = |Path(id): Path<String>| async move {
        if id == "lost" {
            return (StatusCode::NOT_FOUND, String::new());
        }
        (StatusCode::OK, json!({"id": id, "state": "Pending"}).to_string())
    };
    let routes = Router::new().route("/v1/requests/{id}", get(known));
    let (address, _server) = sidecar(&authorities, routes).await;
    let client = client(address, &authorities);
    assert_eq!(client.request("lost").await.unwrap(), None);
    assert_eq!(client.request("given").await.unwrap().unwrap().state, RequestState::Pending);
}

#[tokio::test]
async fn a_sidecar_of_another_name_or_authority_is_not_believed() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let (address, _server) = sidecar(&authorities, Router::new()).await;
    let own = pair(&authorities, "orders-backup-client.shop.svc", Purpose::Client);
    let other_name =
        SidecarClient::new(address, "carts-backup-sidecar.shop.svc", &authorities.trusted, &own);
    let error = other_name.unwrap().status(None).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
    let others = Authorities::first("etcd-operator", now()).unwrap();
    let error = client(address, &others).status(None).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_told_at_once() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(address, &authorities).status(None).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn one_who_accepts_and_never_answers_ends_at_the_limit() {
    let authorities = Authorities::first("etcd-operator", now()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let error = client(address, &authorities).status(None).await.unwrap_err();
    assert!(error.to_string().contains("no connection within 5s"), "{error}");
    drop(listener);
}
