//! What scenarios on a real Kubernetes share: a namespace that goes when they end, clusters in it,
//! the operator and what can befall it, a writer that remembers what etcd acknowledged.
//!
//! ```text
//! Sandbox ── a namespace; on failure it prints what there was
//!    └── TestCluster ── one Cluster: its object, its pods, its etcd
//!            └── Writer ── puts all the time; reads everything back at the end
//! Place ── where backups lie: a volume, or a Bucket in an S3 server that pods reach
//! Changes ── counts what the operator asks the API server for
//! operator ── the one that all scenarios share: deployed once, killed, hung, taken away
//! ```
//!
//! Nothing here sleeps in the hope that something has happened: [`wait::until`] looks until it has,
//! and says what it last saw when it has not. Every look and call has a time limit.

pub mod bucket;
mod changes;
pub mod cluster;
mod dump;
mod fault;
mod http;
pub mod kept;
pub mod operator;
mod place;
mod pod;
mod sandbox;
mod volume;
pub mod wait;
mod writer;

pub use bucket::Bucket;
pub use changes::Changes;
pub use cluster::{TestCluster, Whole, away_from};
pub use fault::kill_etcd_at_its_first_log;
pub use http::get;
pub use place::Place;
pub use pod::{is_ready, member_numbers, node_of};
pub use sandbox::Sandbox;
pub use volume::{open_volume, volume};
pub use wait::{Look, holds_for, until};
pub use writer::Writer;

use std::time::Duration;

use anyhow::{Context, Result};

/// The field manager of what scenarios apply.
pub const MANAGER: &str = "etcd-operator-tests";

/// Longest time for one request to Kubernetes.
const REQUEST: Duration = Duration::from_secs(20);

/// How long a change of a small cluster may take on a busy machine with two cores. It says when a
/// scenario gives up, and nothing about speed.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Runs one request to Kubernetes with a limit on its time.
pub async fn request<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T> {
    let answer = tokio::time::timeout(REQUEST, request).await;
    Ok(answer.context("Kubernetes gave no answer within 20 s")??)
}
