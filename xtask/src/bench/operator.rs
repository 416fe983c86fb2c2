//! What the operator's own metrics say, asked through the API server.

use std::time::Duration;

use ::tests::scenario::{Look, until};
use anyhow::{Context, Result};
use kube::api::GetParams;
use kube::core::Request;
use kube::{Client, ResourceExt};

use crate::cluster::{Operator, within};

/// A Lease of a replica that died has to expire.
const LIMIT: Duration = Duration::from_mins(1);

/// Some of a replica's metrics.
pub(super) struct Scrape {
    /// Which replica.
    pub(super) replica: String,
    /// Memory that is held, in bytes.
    pub(super) memory: f64,
    /// Processor time used since its start, in seconds.
    pub(super) processor: f64,
}

/// The metrics of the replica that works. After a start it takes some seconds until one does.
pub(super) async fn leader_metrics(client: &Client, operator: &Operator) -> Result<Scrape> {
    until("a replica of the operator that works", LIMIT, async || {
        for pod in operator.pods().await? {
            let replica = pod.name_any();
            // One that is on its way out does not answer.
            let Ok(text) = metrics_of(client, &replica).await else { continue };
            if value(&text, "etcd_operator_leader") == Some(1.0) {
                return Ok(Look::Is(scrape(replica, &text)?));
            }
        }
        Ok(Look::NotYet("none says so".to_owned()))
    })
    .await
}

async fn metrics_of(client: &Client, replica: &str) -> Result<String> {
    let port = api::ports::OPERATOR;
    let proxy = format!("/api/v1/namespaces/etcd-operator/pods/{replica}:{port}/proxy");
    raw(client, &proxy, "metrics").await
}

fn scrape(replica: String, text: &str) -> Result<Scrape> {
    let read = |name| value(text, name).with_context(|| format!("the metric {name} is missing"));
    Ok(Scrape {
        memory: read("process_resident_memory_bytes")?,
        processor: read("process_cpu_seconds_total")?,
        replica,
    })
}

/// What the API server answers to a plain GET of `folder/name`.
pub(super) async fn raw(client: &Client, folder: &str, name: &str) -> Result<String> {
    let request = Request::new(folder).get(name, &GetParams::default())?;
    within("asking for metrics", client.request_text(request)).await
}

fn value(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.next()?.parse().ok()
}
