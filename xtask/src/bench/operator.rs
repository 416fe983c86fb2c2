//! What the operator's own metrics say, asked through the API server.

use anyhow::{Context, Result, bail};
use kube::api::GetParams;
use kube::core::Request;
use kube::{Client, ResourceExt};

use crate::cluster::{Operator, within};

/// Some of a replica's metrics.
pub(super) struct Scrape {
    /// Memory that is held, in bytes.
    pub(super) memory: f64,
    /// Processor time used since its start, in seconds.
    pub(super) processor: f64,
}

/// The metrics of the replica that works.
pub(super) async fn leader_metrics(client: &Client, operator: &Operator) -> Result<Scrape> {
    for pod in operator.pods().await? {
        let proxy = format!(
            "/api/v1/namespaces/etcd-operator/pods/{}:{}/proxy",
            pod.name_any(),
            api::ports::OPERATOR
        );
        // One that is on its way out does not answer.
        let Ok(text) = raw(client, &proxy, "metrics").await else { continue };
        if value(&text, "etcd_operator_leader") == Some(1.0) {
            let read = |name| value(&text, name).with_context(|| format!("{name} is missing"));
            return Ok(Scrape {
                memory: read("process_resident_memory_bytes")?,
                processor: read("process_cpu_seconds_total")?,
            });
        }
    }
    bail!("no replica of the operator says that it works")
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
