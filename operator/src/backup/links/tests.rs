//! A link against a real server with mutual TLS on this machine.

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::backup::client::tests::{client, sidecar};
use crate::pki::Authorities;

const PATIENCE: Duration = Duration::from_secs(20);

fn key() -> Key {
    ObjectRef::new("orders").within("shop")
}

/// Says its status once and then has no news.
fn quiet() -> Router {
    let status = |RawQuery(query): RawQuery| async move {
        if query.is_some() {
            std::future::pending::<()>().await;
        }
        json!({"backups": 1, "backupSize": 1.5, "sequence": 7}).to_string()
    };
    let backups = || async { json!({"backups": []}).to_string() };
    Router::new().route("/v1/status", get(status)).route("/v1/backups", get(backups))
}

fn authorities() -> Authorities {
    Authorities::first("etcd-operator", clock::now()).unwrap()
}

async fn nudge(news: &mut mpsc::Receiver<Key>) -> Key {
    timeout(PATIENCE, news.recv()).await.expect("no news in time").unwrap()
}

#[tokio::test]
async fn an_answer_is_news_and_can_be_seen() {
    let authorities = authorities();
    let (address, _server) = sidecar(&authorities, quiet()).await;
    let client = Arc::new(client(address, &authorities));
    let (links, mut news) = Links::new();
    assert!(links.follow(&key(), "u-1", &client, true).status.is_none());
    assert_eq!(nudge(&mut news).await, key());
    let seen = links.follow(&key(), "u-1", &client, true);
    assert_eq!(seen.status.unwrap().sequence, 7);
    assert!(seen.backups.is_some());
    assert!(links.client("u-1").is_some());
    links.end("u-1");
    assert!(links.client("u-1").is_none());
}

#[tokio::test]
async fn a_silence_is_news_once_and_an_answer_ends_it() {
    let authorities = authorities();
    let (address, server) = sidecar(&authorities, quiet()).await;
    drop(server);
    let nobody = Arc::new(client(address, &authorities));
    let (links, mut news) = Links::new();
    links.follow(&key(), "u-1", &nobody, true);
    nudge(&mut news).await;
    let silence = links.follow(&key(), "u-1", &nobody, true).silence.unwrap();
    assert!(silence.why.contains("cannot be reached"), "{}", silence.why);

    let (address, _server) = sidecar(&authorities, quiet()).await;
    let somebody = Arc::new(client(address, &authorities));
    links.follow(&key(), "u-1", &somebody, true);
    nudge(&mut news).await;
    assert_eq!(links.follow(&key(), "u-1", &somebody, true).silence, None);
}
