//! Certificates as time goes by, and as two replicas make them at once.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::backup::client::SidecarClient;
use crate::backup::client::tests::serve;
use crate::backup::defaults::{Defaults, Volumes};
use crate::backup::policy;
use crate::backup::table::Table;
use crate::clock;
use crate::validate::validate;

const AUTHORITY: &str = "/api/v1/namespaces/ops/secrets/etcd-operator-ca";
const SERVER: &str = "/api/v1/namespaces/shop/secrets/orders-backup-server-tls";
const CLIENT: &str = "/api/v1/namespaces/shop/secrets/orders-backup-client-tls";
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn cluster(backup: &Value) -> (Validated, ValidatedBackup) {
    let cluster = serde_json::from_value(json!({
        "apiVersion": "etcd.coreos.com/v1beta1", "kind": "Cluster",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "u-1"},
        "spec": {"size": 3, "backup": backup},
    }))
    .unwrap();
    let bucket = Bucket { name: "all".into(), secret: "aws".into(), config: "conf".into() };
    let defaults = Defaults {
        namespace: "ops".into(),
        sidecar_image: "sidecar:1".into(),
        bucket: Some(bucket),
        volumes: Volumes::DefaultClass,
    };
    let backup = policy::validate(&cluster, &defaults).unwrap().unwrap();
    (validate(&cluster), backup)
}

/// Sees to the Secrets at that time, as one replica.
async fn ensure(table: &Table, backup: &Value, now: Timestamp) -> Result<Ready, Error> {
    let (client, _server) = table.serve();
    let (cluster, backup) = cluster(backup);
    Secrets::new(&client, &cluster).ensure(&backup, "ops", now).await
}

fn on_volume() -> Value {
    json!({"pv": {"volumeSizeInMB": 64}})
}

fn secret(table: &Table, path: &str) -> Secret {
    serde_json::from_value(table.get(path).unwrap()).unwrap()
}

fn certificate(table: &Table, path: &str) -> String {
    text(&secret(table, path), "tls.crt").unwrap()
}

#[tokio::test]
async fn certificates_are_renewed_in_time_and_not_sooner() {
    let (table, begin) = (Table::default(), clock::now());
    ensure(&table, &on_volume(), begin).await.unwrap();
    let first = [SERVER, CLIENT, AUTHORITY].map(|path| certificate(&table, path));
    table.changes();
    ensure(&table, &on_volume(), begin + DAY * 240).await.unwrap();
    assert_eq!(table.changes(), Vec::<String>::new(), "they hold for two thirds of a year");
    ensure(&table, &on_volume(), begin + DAY * 245).await.unwrap();
    assert_eq!(table.changes(), [format!("PATCH {SERVER}"), format!("PATCH {CLIENT}")]);
    let second = [SERVER, CLIENT, AUTHORITY].map(|path| certificate(&table, path));
    assert!(first[0] != second[0] && first[1] != second[1]);
    assert_eq!(first[2], second[2], "the authority is the same");
}

/// A sidecar with the server certificate of a table, and the operator's identity of another time.
async fn is_served(server: &Secret, identity: &Identity) -> bool {
    let routes = Router::new().route(
        "/v1/status",
        get(async || json!({"backups": 0, "backupSize": 0.0, "sequence": 1}).to_string()),
    );
    let trusted = text(server, "ca.crt").unwrap();
    let (address, _server): (SocketAddr, AbortOnDropHandle<()>) =
        serve(&trusted, &pair(server).unwrap(), routes).await;
    let host = "orders-backup-sidecar.shop.svc";
    let client = SidecarClient::new(address, host, &identity.trusted, &identity.own).unwrap();
    client.status(None).await.is_ok()
}

/// The operator and the sidecar never get their new certificates at the same moment.
#[tokio::test]
async fn a_change_of_the_authority_refuses_nobody_on_the_way() {
    let table = Table::default();
    // TLS goes by the real clock: the authority was made so long ago that it is due since nine days.
    let due = clock::now() - DAY * 9;
    let made = due - SignedDuration::from_hours(10 * 365 * 24) * 2 / 3;
    ensure(&table, &on_volume(), made).await.unwrap();
    let mut steps = Vec::new();
    for now in [due - DAY, due + DAY / 24, clock::now()] {
        let identity = ensure(&table, &on_volume(), now).await.unwrap().identity;
        steps.push((certificate(&table, AUTHORITY), secret(&table, SERVER), identity));
    }
    let [before, both, after] = steps.try_into().ok().unwrap();
    assert_eq!(before.0, both.0, "the successor is trusted before it signs");
    assert_ne!(both.0, after.0);
    for (server, client) in
        [(&before, &both), (&both, &before), (&both, &after), (&after, &both), (&after, &after)]
    {
        assert!(is_served(&server.1, &client.2).await);
    }
    assert!(!is_served(&before.1, &after.2).await, "this is what the week in between is for");
}

/// Both replicas have read that there is none before either makes one.
#[tokio::test]
async fn two_replicas_that_make_the_authority_at_once_end_with_the_same() {
    let (table, now) = (Table::default(), clock::now());
    let (one, _one) = table.serve();
    let (two, _two) = table.serve();
    let both = tokio::join!(authorities(&one, "ops", now), authorities(&two, "ops", now));
    let (one, two) = (both.0.unwrap(), both.1.unwrap());
    let made = "POST /api/v1/namespaces/ops/secrets".to_owned();
    assert_eq!(table.changes(), [made.clone(), made], "there was no race");
    assert_eq!(one.current.certificate, two.current.certificate);
    assert_eq!(one.current.certificate, certificate(&table, AUTHORITY));
    assert!(one.current.key == two.current.key);
}

#[tokio::test]
async fn two_replicas_that_renew_the_authority_at_once_make_one_successor() {
    let (table, made) = (Table::default(), clock::now());
    let (one, _one) = table.serve();
    let (two, _two) = table.serve();
    authorities(&one, "ops", made).await.unwrap();
    let due = made + DAY * 365 * 7;
    let (first, second) =
        tokio::join!(authorities(&one, "ops", due), authorities(&two, "ops", due));
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    assert!(matches!(lost, Err(Error::Conflict { .. })), "it looks again");
    let next = text(&secret(&table, AUTHORITY), "next.crt");
    assert_eq!(won.unwrap().next.map(|next| next.certificate), next);
}

#[tokio::test]
async fn what_the_flags_name_is_copied_and_follows_its_change() {
    let in_s3 = json!({"storageType": "S3", "s3": {}});
    let copy = "/api/v1/namespaces/shop/secrets/orders-backup-credentials";
    let table = Table::default();
    let told = ensure(&table, &in_s3, clock::now()).await.err().unwrap().sentence();
    assert!(told.starts_with("Secret aws is missing"), "{told}");
    let config = json!({"metadata": {"name": "conf"}, "data": {"config": "[default]"}});
    table.put("/api/v1/namespaces/ops/configmaps/conf", config);
    // The key of the Secret, in base64, as the API has it.
    let keys = |key: &str| json!({"metadata": {"name": "aws"}, "data": {"credentials": key}});
    table.put("/api/v1/namespaces/ops/secrets/aws", keys("b25l"));
    let first = ensure(&table, &in_s3, clock::now()).await.unwrap().credentials.unwrap();
    assert_eq!(text(&secret(&table, copy), "credentials").as_deref(), Some("one"));
    assert_eq!(text(&secret(&table, copy), "config").as_deref(), Some("[default]"));
    let same = ensure(&table, &in_s3, clock::now()).await.unwrap().credentials.unwrap();
    assert_eq!(first, same);
    table.put("/api/v1/namespaces/ops/secrets/aws", keys("dHdv"));
    let other = ensure(&table, &in_s3, clock::now()).await.unwrap().credentials.unwrap();
    assert_eq!(text(&secret(&table, copy), "credentials").as_deref(), Some("two"));
    assert_ne!(first, other, "the sidecar is restarted");
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_never_overwritten() {
    let foreign = json!({"metadata": {"name": "orders-backup-server-tls", "namespace": "shop"}});
    let table = Table::with(&[(SERVER, foreign.clone())]);
    let error = ensure(&table, &on_volume(), clock::now()).await.err().unwrap();
    assert!(matches!(error, Error::Clash { .. }), "{error}");
    assert_eq!(table.get(SERVER), Some(foreign));
}
