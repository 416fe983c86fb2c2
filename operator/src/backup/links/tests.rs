//! A link against a real server with mutual TLS on this machine.

use std::sync::atomic::{AtomicU64, Ordering};

use api::v1beta1::ClusterStatus;
use axum::Router;
use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::backup::client::tests::{client, sidecar};
use crate::backup::health::tests::{heard, look};
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

/// A sidecar whose store died after the first list. Attempts begin and fail, as fast as it is asked.
fn with_a_dead_store() -> Router {
    let (asked, listed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let status = move || {
        let sequence = asked.fetch_add(1, Ordering::SeqCst);
        let mut status = json!({"backups": 1, "backupSize": 1.5, "sequence": sequence,
                                "lastSuccess": clock::now().to_string()});
        if sequence > 0 {
            let why = "the store answers 503";
            status["failing"] = json!({"since": "2026-11-24T09:00:00Z", "attempts": 1 + sequence / 2,
                                       "reason": "Unavailable", "message": why});
        }
        if sequence % 2 == 1 {
            status["running"] = json!("scheduled");
        }
        async move { status.to_string() }
    };
    let backups = move || {
        let is_dead = listed.fetch_add(1, Ordering::SeqCst) > 0;
        let code = if is_dead { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move { (code, json!({"backups": [], "reason": "x", "message": "it is dead"}).to_string()) }
    };
    Router::new().route("/v1/status", get(status)).route("/v1/backups", get(backups))
}

#[tokio::test]
async fn while_the_store_is_dead_the_condition_says_so_and_goes_on_saying_so() {
    let authorities = authorities();
    let (address, _server) = sidecar(&authorities, with_a_dead_store()).await;
    let client = Arc::new(client(address, &authorities));
    let (links, mut news) = Links::new();
    links.follow(&key(), "u-1", &client, true);
    let (mut before, mut told) = (ClusterStatus::default(), Vec::new());
    for _ in 0..12 {
        nudge(&mut news).await;
        let (condition, after) = look(&before, &heard(links.seen("u-1")), clock::now());
        before = after;
        told.push(format!("{} {}", condition.status, condition.reason));
    }
    let is_told = |told: &String| told == "False Unavailable";
    let first = told.iter().position(is_told).unwrap();
    assert!(first < 6 && told[first..].iter().all(is_told), "{told:?}");
}

#[tokio::test]
async fn a_store_that_cannot_be_listed_is_no_silence_and_is_listed_later() {
    let listed = Arc::new(AtomicU64::new(0));
    let backups = move || {
        let is_dead = listed.fetch_add(1, Ordering::SeqCst) == 0;
        let code = if is_dead { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        async move { (code, json!({"backups": [], "reason": "x", "message": "it is dead"}).to_string()) }
    };
    let status = || async { json!({"backups": 1, "backupSize": 1.5, "sequence": 7}).to_string() };
    let routes = Router::new().route("/v1/status", get(status)).route("/v1/backups", get(backups));
    let authorities = authorities();
    let (address, _server) = sidecar(&authorities, routes).await;
    let client = Arc::new(client(address, &authorities));
    let (links, mut news) = Links::new();
    links.follow(&key(), "u-1", &client, true);
    nudge(&mut news).await;
    let seen = links.seen("u-1");
    assert_eq!((seen.silence, seen.unlisted.as_deref()), (None, Some("it is dead")));
    assert!(seen.status.is_some() && seen.backups.is_none() && links.is_failing("u-1"));
    nudge(&mut news).await;
    let seen = links.seen("u-1");
    assert!(seen.unlisted.is_none() && seen.backups.is_some());
}
