//! The process's own numbers, under the names that Prometheus's client libraries share
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use std::{fmt, time::Duration};

use procfs::{ProcError, process::Process};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Reads `/proc` at each scrape.
#[derive(Debug)]
pub(crate) struct ProcessCollector;

struct Numbers {
    memory: u64,
    cpu: Duration,
    start: Duration,
    files: usize,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        // Without a readable /proc these metrics are absent, as in Prometheus's own clients; the
        // others must not go with them.
        let Ok(numbers) = read() else { return Ok(()) };
        let mut write = |name, help, metric: &dyn EncodeMetric| {
            let place = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(place)
        };
        let memory = ConstGauge::new(numbers.memory);
        write("process_resident_memory_bytes", "Memory that is held, in bytes", &memory)?;
        let cpu = ConstCounter::new(numbers.cpu.as_secs_f64());
        write("process_cpu_seconds", "Processor time used, user and system, in seconds", &cpu)?;
        let start = ConstGauge::new(numbers.start.as_secs_f64());
        write("process_start_time_seconds", "When the process started, in Unix time", &start)?;
        let files = ConstGauge::new(u64::try_from(numbers.files).unwrap_or(u64::MAX));
        write("process_open_fds", "Open file descriptors", &files)
    }
}

fn read() -> Result<Numbers, ProcError> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    Ok(Numbers {
        memory: stat.rss.saturating_mul(procfs::page_size()),
        cpu: ticks(stat.utime.saturating_add(stat.stime)),
        start: Duration::from_secs(procfs::boot_time_secs()?) + ticks(stat.starttime),
        files: process.fd_count()?,
    })
}

/// The kernel counts time in ticks, usually a hundred a second.
fn ticks(count: u64) -> Duration {
    let per_second = procfs::ticks_per_second().max(1);
    let millis = count % per_second * 1000 / per_second;
    Duration::from_secs(count / per_second) + Duration::from_millis(millis)
}
