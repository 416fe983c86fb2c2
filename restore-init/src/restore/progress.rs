//! How far it is: a bar on a terminal, now and then a line in a log.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Lines in a log come at the latest after this time, or this part of the whole.
const EVERY: Duration = Duration::from_secs(5);
const TENTHS: u64 = 10;

const BAR: &str = "{msg:10} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// The progress of one stage that goes through a known number of bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    stage: &'static str,
    total: u64,
    start: Instant,
    bar: Option<ProgressBar>,
    done: u64,
    said_at: Instant,
    said: u64,
}

impl Progress {
    /// Nothing is done yet.
    pub(crate) fn new(stage: &'static str, total: u64) -> Self {
        let start = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| bar(stage, total));
        Self { stage, total, start, bar, done: 0, said_at: start, said: 0 }
    }

    /// So many bytes in all.
    pub(crate) fn update(&mut self, done: u64) {
        self.done = done.min(self.total);
        if let Some(bar) = &self.bar {
            return bar.set_position(self.done);
        }
        let since = self.done.saturating_sub(self.said);
        let is_much = since > 0 && since.saturating_mul(TENTHS) >= self.total;
        if is_much && self.done < self.total || self.said_at.elapsed() >= EVERY {
            eprintln!("{}", line(self.stage, self.done, self.total, self.start.elapsed()));
            (self.said_at, self.said) = (Instant::now(), self.done);
        }
    }

    /// All is done.
    pub(crate) fn finish(mut self) {
        self.done = self.total;
        match &self.bar {
            Some(bar) => bar.finish(),
            None => eprintln!("{}", line(self.stage, self.done, self.total, self.start.elapsed())),
        }
    }
}

fn bar(stage: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(stage)
}

/// `download: 45 % (210 of 460 MB), 92 MB/s, 3 s left`.
fn line(stage: &str, done: u64, total: u64, took: Duration) -> String {
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
    let (done_mb, total_mb) = (megabytes(done), megabytes(total));
    let rate = done.saturating_mul(1000) / milliseconds;
    let rest = if done == total {
        format!(", took {}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
    } else {
        let left = total.saturating_sub(done).checked_div(rate);
        left.map_or_else(String::new, |left| format!(", {} s left", left.saturating_add(1)))
    };
    let rate = megabytes(rate);
    format!("{stage}: {percent} % ({done_mb} of {total_mb} MB), {rate} MB/s{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_rate_and_remaining_time() {
        let [half, all] = [210_000_000, 460_000_000];
        assert_eq!(
            line("download", half, all, Duration::from_secs(2)),
            "download: 45 % (210 of 460 MB), 105 MB/s, 3 s left"
        );
        assert_eq!(
            line("download", all, all, Duration::from_millis(4_321)),
            "download: 100 % (460 of 460 MB), 107 MB/s, took 4.3 s"
        );
        assert_eq!(line("download", 0, all, Duration::ZERO), "download: 0 % (0 of 460 MB), 0 MB/s");
    }
}
