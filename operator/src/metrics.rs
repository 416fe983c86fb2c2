//! The operator's own metrics, served at `/metrics`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::v1beta1::BackupServiceStatus;
use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Everything that the controller counts.
#[derive(Clone)]
pub struct Metrics {
    reconcile_duration: Histogram,
    reconcile_errors: Family<Reason, Counter>,
    steps: Family<StepLabels, Counter>,
    clusters: Family<PhaseLabel, Gauge>,
    members: Family<ClusterLabels, Gauge<f64, AtomicU64>>,
    healthy_members: Family<ClusterLabels, Gauge<f64, AtomicU64>>,
    last_backup: Family<ClusterLabels, Gauge<f64, AtomicU64>>,
    backups: Family<ClusterLabels, Gauge>,
    leader: Gauge,
    known: Arc<Mutex<HashSet<ClusterLabels>>>,
    /// Those that any cluster was in so far.
    phases: Arc<Mutex<BTreeSet<&'static str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    step: &'static str,
    outcome: StepOutcome,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum StepOutcome {
    /// It is done.
    Done,
    /// etcd said: not yet.
    NotYet,
    /// It failed.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    namespace: String,
    name: String,
}

impl Metrics {
    /// Makes the metrics and registers them; the registry's prefix is `etcd_operator`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            // 5 ms to 10 s: from a look at a cluster at rest to one whose members all hang.
            reconcile_duration: Histogram::new(exponential_buckets(0.005, 2.0, 12)),
            reconcile_errors: Family::default(),
            steps: Family::default(),
            clusters: Family::default(),
            members: Family::default(),
            healthy_members: Family::default(),
            last_backup: Family::default(),
            backups: Family::default(),
            leader: Gauge::default(),
            known: Arc::default(),
            phases: Arc::default(),
        };
        registry.register_with_unit(
            "reconcile_duration",
            "Time of one look at a cluster, with the step taken",
            Unit::Seconds,
            metrics.reconcile_duration.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed",
            metrics.reconcile_errors.clone(),
        );
        registry.register("steps", "Changes made to clusters", metrics.steps.clone());
        registry.register("clusters", "Clusters by phase", metrics.clusters.clone());
        registry.register("cluster_members", "Members that etcd lists", metrics.members.clone());
        registry.register(
            "cluster_healthy_members",
            "Members that serve clients",
            metrics.healthy_members.clone(),
        );
        registry.register_with_unit(
            "cluster_last_backup_timestamp",
            "When the cluster was last found backed up, as Unix time",
            Unit::Seconds,
            metrics.last_backup.clone(),
        );
        registry.register(
            "cluster_backups",
            "Stored backups of the cluster",
            metrics.backups.clone(),
        );
        registry.register("leader", "1 while this replica holds the lease", metrics.leader.clone());
        metrics
    }

    /// One look at a cluster took this long.
    pub fn reconciled(&self, duration: Duration) {
        self.reconcile_duration.observe(duration.as_secs_f64());
    }

    /// A reconcile failed.
    pub fn failed(&self, reason: &'static str) {
        self.reconcile_errors.get_or_create(&Reason { reason }).inc();
    }

    /// A step was attempted.
    pub fn step(&self, step: &'static str, outcome: StepOutcome) {
        self.steps.get_or_create(&StepLabels { step, outcome }).inc();
    }

    /// Whether this replica works.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How one cluster stands.
    pub fn members(&self, namespace: &str, name: &str, members: usize, healthy: usize) {
        let labels = ClusterLabels { namespace: namespace.into(), name: name.into() };
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        self.members.get_or_create(&labels).set(count(members));
        self.healthy_members.get_or_create(&labels).set(count(healthy));
    }

    /// How the backups of one cluster stand; without a policy its series end.
    pub fn backups(&self, namespace: &str, name: &str, status: Option<&BackupServiceStatus>) {
        let labels = ClusterLabels { namespace: namespace.into(), name: name.into() };
        let Some(status) = status else {
            self.last_backup.remove(&labels);
            self.backups.remove(&labels);
            return;
        };
        self.backups.get_or_create(&labels).set(status.backups);
        if let Some(last) = &status.last_success {
            let at = last.0.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
            self.last_backup.get_or_create(&labels).set(at);
        }
    }

    /// Which clusters there are, as namespace, name and phase: counts the phases, and ends the
    /// series of clusters that are gone. Nobody tells of those: the controller looks at nothing
    /// that is not there.
    pub fn clusters(&self, clusters: impl Iterator<Item = (String, String, Option<&'static str>)>) {
        let (mut there, mut counts) = (HashSet::new(), HashMap::<&'static str, i64>::new());
        for (namespace, name, phase) in clusters {
            if let Some(phase) = phase {
                *counts.entry(phase).or_default() += 1;
            }
            there.insert(ClusterLabels { namespace, name });
        }
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.extend(counts.keys());
        // Set and never cleared: whoever reads in between must not see a moment without clusters.
        for phase in phases.iter() {
            let count = counts.get(phase).copied().unwrap_or_default();
            self.clusters.get_or_create(&PhaseLabel { phase }).set(count);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for gone in known.difference(&there) {
            self.members.remove(gone);
            self.healthy_members.remove(gone);
            self.last_backup.remove(gone);
            self.backups.remove(gone);
        }
        *known = there;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn the_time_of_the_last_backup_is_there_while_backups_are_wanted() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let last = "2026-11-24T10:00:00Z".parse().unwrap();
        let status = BackupServiceStatus {
            backups: 5,
            last_success: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(last)),
            ..BackupServiceStatus::default()
        };
        metrics.backups("shop", "orders", Some(&status));
        let told = text(&registry);
        let line = r#"cluster_last_backup_timestamp_seconds{namespace="shop",name="orders"} "#;
        assert!(told.contains(&format!("{line}{}", last.as_second())), "{told}");
        metrics.backups("shop", "orders", None);
        assert!(!text(&registry).contains("orders"));
    }

    #[test]
    fn the_series_of_the_last_cluster_end_too() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.clusters(std::iter::once((
            "shop".to_owned(),
            "orders".to_owned(),
            Some("Running"),
        )));
        metrics.members("shop", "orders", 3, 3);
        metrics.clusters(std::iter::empty());
        assert!(!text(&registry).contains("orders"), "{}", text(&registry));
    }

    #[test]
    fn the_series_of_a_cluster_end_with_it() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let there = |name: &str| ("shop".to_owned(), name.to_owned(), Some("Running"));
        metrics.clusters([there("orders"), there("carts")].into_iter());
        metrics.members("shop", "orders", 3, 3);
        metrics.members("shop", "carts", 3, 2);
        metrics.clusters([("shop".to_owned(), "carts".to_owned(), Some("Healing"))].into_iter());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(!text.contains("orders"), "{text}");
        assert!(text.contains(r#"cluster_members{namespace="shop",name="carts"} 3"#), "{text}");
        assert!(text.contains(r#"clusters{phase="Running"} 0"#), "{text}");
        assert!(text.contains(r#"clusters{phase="Healing"} 1"#), "{text}");
    }
}
