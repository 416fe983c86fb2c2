//! The sidecar's own metrics, served at `/metrics`.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The prefix of every name.
pub const PREFIX: &str = "etcd_backup";

/// Everything that the sidecar counts. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    failures: Family<Reason, Counter>,
    consecutive_failures: Gauge,
    running: Gauge,
    duration: Histogram,
    database: Counter,
    stored: Counter,
    last_database: Gauge,
    last_stored: Gauge,
    last_success: Arc<Mutex<Option<Timestamp>>>,
    last_success_time: Gauge<f64, AtomicU64>,
    last_success_age: Gauge<f64, AtomicU64>,
    backups: Gauge,
    archive: Gauge,
    earlier: Gauge,
    deleted: Counter,
    deletion_failures: Counter,
    abandoned: Counter,
    connections: Gauge,
    handshake_failures: Counter,
    requests: Family<StatusLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    outcome: Outcome,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    Stored,
    Unchanged,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

impl Metrics {
    /// Makes the metrics and registers them; the registry's prefix is [`PREFIX`].
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::new();
        metrics.register_backups(registry);
        metrics.register_archive(registry);
        metrics.register_api(registry);
        metrics
    }

    fn new() -> Self {
        Self {
            attempts: Family::default(),
            failures: Family::default(),
            consecutive_failures: Gauge::default(),
            running: Gauge::default(),
            // 0.1 s to 55 minutes: from an empty cluster to 8 GB through a slow store.
            duration: Histogram::new(exponential_buckets(0.1, 2.0, 16)),
            database: Counter::default(),
            stored: Counter::default(),
            last_database: Gauge::default(),
            last_stored: Gauge::default(),
            last_success: Arc::default(),
            last_success_time: Gauge::default(),
            last_success_age: Gauge::default(),
            backups: Gauge::default(),
            archive: Gauge::default(),
            earlier: Gauge::default(),
            deleted: Counter::default(),
            deletion_failures: Counter::default(),
            abandoned: Counter::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            requests: Family::default(),
        }
    }

    fn register_backups(&self, registry: &mut Registry) {
        registry.register("attempts", "Attempts to take a backup", self.attempts.clone());
        registry.register("failures", "Attempts that failed, by reason", self.failures.clone());
        let help = "Attempts that failed since the last success";
        registry.register("consecutive_failures", help, self.consecutive_failures.clone());
        registry.register("running", "1 while a backup is being taken", self.running.clone());
        let seconds = || Unit::Seconds;
        let help = "Time that a stored backup took";
        registry.register_with_unit("duration", help, seconds(), self.duration.clone());
        let help = "When the cluster was last found backed up, in Unix time; 0: never";
        let time = self.last_success_time.clone();
        registry.register_with_unit("last_success_timestamp", help, seconds(), time);
        let help = "Age of the last success; +Inf: there was none";
        let age = self.last_success_age.clone();
        registry.register_with_unit("last_success_age", help, seconds(), age);
        let bytes = || Unit::Bytes;
        let help = "Bytes of databases that were backed up";
        registry.register_with_unit("database", help, bytes(), self.database.clone());
        let help = "Bytes that were stored";
        registry.register_with_unit("stored", help, bytes(), self.stored.clone());
        let help = "Size of the database in the last backup";
        registry.register_with_unit("last_database", help, bytes(), self.last_database.clone());
        let help = "Size of the last backup in the store";
        registry.register_with_unit("last_stored", help, bytes(), self.last_stored.clone());
    }

    fn register_archive(&self, registry: &mut Registry) {
        registry.register("backups", "Backups of this cluster in the store", self.backups.clone());
        let help = "Bytes that they take in the store";
        registry.register_with_unit("archive", help, Unit::Bytes, self.archive.clone());
        let help = "Backups of earlier clusters of this name in the store";
        registry.register("earlier_backups", help, self.earlier.clone());
        let help = "Backups that retention has deleted";
        registry.register("retention_deleted", help, self.deleted.clone());
        let help = "Backups that retention could not delete";
        registry.register("retention_failures", help, self.deletion_failures.clone());
        let help = "Uploads and objects of backups that died, removed";
        registry.register("abandoned_removed", help, self.abandoned.clone());
    }

    fn register_api(&self, registry: &mut Registry) {
        registry.register("api_connections", "Open connections", self.connections.clone());
        let help = "Connections that ended before TLS was agreed on";
        registry.register("api_handshake_failures", help, self.handshake_failures.clone());
        registry.register("api_requests", "Answers of the API, by status", self.requests.clone());
    }

    /// Begins with a last success that an earlier process had, or with none.
    pub fn succeeded(&self, last: Option<Timestamp>) {
        *self.last_success.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// A backup was stored.
    pub fn stored(&self, raw: u64, stored: u64, took: Duration) {
        self.end(Outcome::Stored);
        self.duration.observe(took.as_secs_f64());
        self.database.inc_by(raw);
        self.stored.inc_by(stored);
        self.last_database.set(whole(raw));
        self.last_stored.set(whole(stored));
    }

    /// Nothing had changed.
    pub fn unchanged(&self) {
        self.end(Outcome::Unchanged);
    }

    /// What failed works again.
    pub fn recovered(&self) {
        self.consecutive_failures.set(0);
    }

    fn end(&self, outcome: Outcome) {
        self.attempts.get_or_create(&AttemptLabels { outcome }).inc();
        self.consecutive_failures.set(0);
    }

    /// An attempt failed.
    pub fn failed(&self, reason: &'static str) {
        self.attempts.get_or_create(&AttemptLabels { outcome: Outcome::Failed }).inc();
        self.failures.get_or_create(&Reason { reason }).inc();
        self.consecutive_failures.inc();
    }

    /// Whether a backup is being taken.
    pub fn runs(&self, runs: bool) {
        self.running.set(i64::from(runs));
    }

    /// What lies in the store.
    pub fn archive(&self, backups: u64, bytes: u64, earlier: u64) {
        self.backups.set(whole(backups));
        self.archive.set(whole(bytes));
        self.earlier.set(whole(earlier));
    }

    /// What retention did.
    pub fn pruned(&self, deleted: usize, failed: usize) {
        self.deleted.inc_by(u64::try_from(deleted).unwrap_or(u64::MAX));
        self.deletion_failures.inc_by(u64::try_from(failed).unwrap_or(u64::MAX));
    }

    /// So many uploads and objects without a backup were removed.
    pub fn tidied(&self, removed: usize) {
        self.abandoned.inc_by(u64::try_from(removed).unwrap_or(u64::MAX));
    }

    /// A connection was opened.
    pub fn connected(&self) {
        self.connections.inc();
    }

    /// It was closed.
    pub fn disconnected(&self) {
        self.connections.dec();
    }

    /// A client and the server could not agree on TLS.
    pub fn handshake_failed(&self) {
        self.handshake_failures.inc();
    }

    /// The API gave an answer.
    pub fn answered(&self, status: u16) {
        self.requests.get_or_create(&StatusLabel { status }).inc();
    }

    /// Brings what depends on the time up to date; to be called before each reading.
    pub fn tick(&self, now: Timestamp) {
        let last = *self.last_success.lock().unwrap_or_else(PoisonError::into_inner);
        let age = last.map(|last| now.duration_since(last).as_secs_f64().max(0.0));
        self.last_success_age.set(age.unwrap_or(f64::INFINITY));
        let time = last.map(|last| last.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64());
        self.last_success_time.set(time.unwrap_or(0.0));
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
    fn the_age_of_the_last_success_is_that_of_the_reading_and_infinite_without_one() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let now: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        metrics.tick(now);
        assert!(text(&registry).contains("last_success_age_seconds inf"), "{}", text(&registry));
        metrics.succeeded(Some(now));
        metrics.tick(now + jiff::SignedDuration::from_secs(90));
        assert!(text(&registry).contains("last_success_age_seconds 90.0"), "{}", text(&registry));
        assert!(text(&registry).contains("last_success_timestamp_seconds 1795514400"));
    }

    #[test]
    fn failures_are_counted_by_reason_and_in_a_row() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.failed("Full");
        metrics.failed("Denied");
        assert!(text(&registry).contains("failures_total{reason=\"Full\"} 1\n"));
        assert!(text(&registry).contains("consecutive_failures 2\n"));
        metrics.stored(100, 25, Duration::from_secs(3));
        let text = text(&registry);
        assert!(text.contains("consecutive_failures 0\n"), "{text}");
        assert!(text.contains("database_bytes_total 100\n"), "{text}");
        assert!(text.contains("attempts_total{outcome=\"Failed\"} 2\n"), "{text}");
    }
}
