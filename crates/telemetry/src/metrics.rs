//! The metrics of one process, in the `OpenMetrics` text format.

use prometheus_client::{encoding::text::encode, metrics::info::Info, registry::Registry};

use crate::process::ProcessCollector;

/// The `Content-Type` of [`Metrics::encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics could not be written as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the metrics could not be written; a collector failed")]
pub struct EncodeError(#[from] std::fmt::Error);

/// One process's metrics: `<prefix>_build_info`, the usual `process_*` numbers, and what its
/// components register. Registering happens at the start; reading needs `&self` alone.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    prefix: String,
}

impl Metrics {
    /// A set for the program `prefix`, `etcd_operator`, of that version.
    pub fn new(prefix: &str, version: &str) -> Self {
        let mut metrics = Self { registry: Registry::default(), prefix: prefix.to_owned() };
        metrics.registry.register_collector(Box::new(ProcessCollector));
        let build = Info::new(vec![("version", version.to_owned())]);
        metrics.registry().register("build", "The program's version", build);
        metrics
    }

    /// Where components register theirs; every name gets the program's prefix.
    pub fn registry(&mut self) -> &mut Registry {
        self.registry.sub_registry_with_prefix(&self.prefix)
    }

    /// All metrics as text, [`CONTENT_TYPE`]. The process's numbers are read anew.
    pub fn encode(&self) -> Result<String, EncodeError> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    /// The value of the line that begins with `name` and a space.
    fn value(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is missing in:\n{text}")).parse().unwrap()
    }

    #[test]
    fn names_of_components_bear_the_prefix_and_process_metrics_do_not() {
        let mut metrics = Metrics::new("etcd_orchard", "1.2.3");
        let pears = Counter::<u64>::default();
        metrics.registry().register("pears", "Pears picked", pears.clone());
        pears.inc_by(3);

        let text = metrics.encode().unwrap();

        assert!(text.contains("etcd_orchard_pears_total 3\n"), "{text}");
        assert!(text.contains("etcd_orchard_build_info{version=\"1.2.3\"} 1\n"), "{text}");
        assert!(text.contains("\nprocess_open_fds ") && text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn process_metrics_follow_the_process() {
        let metrics = Metrics::new("etcd_orchard", "1.2.3");
        let before = metrics.encode().unwrap();
        let memory = value(&before, "process_resident_memory_bytes");
        assert!(memory > 1e6, "{memory} bytes");

        let files: Vec<_> =
            (0..100).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        let ballast = vec![1_u8; 64 << 20];
        let after = metrics.encode().unwrap();

        let fds = |text: &str| value(text, "process_open_fds");
        assert!(fds(&after) >= fds(&before) + 50.0, "{} then {}", fds(&before), fds(&after));
        let grown = value(&after, "process_resident_memory_bytes") - memory;
        assert!(grown > 32e6, "grew by {grown} bytes with {} more", ballast.len());
        assert!(value(&after, "process_cpu_seconds_total") >= 0.0);
        drop(files);
    }

    #[test]
    fn the_start_time_is_that_of_this_process() {
        let text = Metrics::new("etcd_orchard", "1.2.3").encode().unwrap();
        let start = value(&text, "process_start_time_seconds");
        // The process's own folder under /proc appears when it starts.
        let folder = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
        let folder = folder.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((start - folder).abs() < 60.0, "{start} and {folder}");
    }
}
