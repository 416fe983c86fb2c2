use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{Authority, CLIENT, Client, PACE, Site};
use crate::serve::tls::Certificates;

/// Whether a client with this certificate gets an answer. With TLS 1.3 a refusal comes after the
/// handshake, with the first request.
async fn is_served(site: &Site, authority: &Authority, own: Option<&Authority>) -> bool {
    let pair = own.map(Authority::client);
    let Ok(mut client) = Client::connect(site.address, authority, pair.as_ref()).await else {
        return false;
    };
    client.begin(Method::GET, "/v1/status", &[], "").await.is_ok()
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_the_authority_are_served() {
    let site = Site::new().await;
    let stranger = Authority::new();
    assert!(is_served(&site, &site.authority, Some(&site.authority)).await);
    assert!(!is_served(&site, &site.authority, Some(&stranger)).await);
    assert!(!is_served(&site, &site.authority, None).await);
    assert!(!is_served(&site, &stranger, Some(&site.authority)).await);
    let pair = site.authority.sign(CLIENT, rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let as_server = Client::connect(site.address, &site.authority, Some(&pair)).await;
    if let Ok(mut client) = as_server {
        assert!(client.begin(Method::GET, "/v1/status", &[], "").await.is_err());
    }
}

#[tokio::test]
async fn the_client_of_another_cluster_is_refused_whatever_it_asks() {
    let site = Site::new().await;
    // The last is what the server itself is called.
    for name in ["kv2-backup-client.shop.svc", "kv-backup-client.bank.svc", "localhost"] {
        let pair = site.authority.sign(name, rcgen::ExtendedKeyUsagePurpose::ClientAuth);
        let mut client = Client::connect(site.address, &site.authority, Some(&pair)).await.unwrap();
        for (method, path) in [
            (Method::GET, "/v1/status"),
            (Method::GET, "/v1/backups"),
            (Method::GET, "/v1/backup"),
            (Method::PUT, "/v1/requests/u-1"),
        ] {
            let body = r#"{"reason": "on-demand"}"#;
            let answer = client.ask(method, path, &[], body).await;
            assert_eq!(answer.error(), (403, "OtherClient".into()), "{name} {path}");
        }
    }
    assert_eq!(site.get("/v1/requests/u-1").await.error(), (404, "NotFound".into()));
}

#[tokio::test]
async fn plain_http_gets_no_answer() {
    let site = Site::new().await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The server may reset the connection.
    drop(stream.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn new_certificates_are_used_for_new_connections_and_old_connections_live_on() {
    let site = Site::new().await;
    let mut before = site.client().await;
    let next = Authority::new();
    next.install(site.folder.path());
    assert!(is_served(&site, &next, Some(&next)).await);
    assert!(!is_served(&site, &site.authority, Some(&site.authority)).await);
    assert_eq!(before.ask(Method::GET, "/v1/status", &[], "").await.status.as_u16(), 200);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_leave_the_old_ones_in_place() {
    let site = Site::new().await;
    for name in ["tls.key", "ca.crt", "tls.crt"] {
        std::fs::write(site.folder.path().join(name), "nonsense").unwrap();
        assert!(is_served(&site, &site.authority, Some(&site.authority)).await, "{name}");
    }
    std::fs::remove_file(site.folder.path().join("ca.crt")).unwrap();
    assert!(is_served(&site, &site.authority, Some(&site.authority)).await);
}

#[tokio::test]
async fn at_the_start_bad_certificates_are_told_by_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let read = async || {
        let error = Certificates::read(folder.path(), PACE).await.err().unwrap();
        format!("{error:#}")
    };
    assert!(read().await.contains("tls.crt cannot be read"));
    Authority::new().install(folder.path());
    std::fs::write(folder.path().join("tls.key"), "nonsense").unwrap();
    assert!(read().await.contains("tls.key holds no private key"));
    let other = Authority::new().client();
    std::fs::write(folder.path().join("tls.key"), other.key).unwrap();
    assert!(read().await.contains("tls.crt does not fit its key"));
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    assert!(read().await.contains("ca.crt holds no certificate"));
}
