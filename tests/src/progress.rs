//! Steps with elapsed and expected time: moving lines on a terminal, plain lines anywhere else.
//!
//! Everything goes to stderr, so that stdout carries results alone.

use std::future::Future;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Steps expected to be shorter than this are announced only when they are done.
const WORTH_ANNOUNCING: Duration = Duration::from_secs(5);

/// Where steps are shown.
#[derive(Debug)]
pub enum Progress {
    /// As lines that move, on a terminal.
    Moving(MultiProgress),
    /// As lines, anywhere else.
    Plain,
    /// Nowhere.
    Silent,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A moving display if stderr is a terminal, plain lines if not.
    pub fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Moving(MultiProgress::new())
        } else {
            Self::Plain
        }
    }

    /// Does `work` and shows that it is being done, for how long, and how long it usually takes.
    /// Steps may run side by side.
    pub async fn step<T, E>(
        &self,
        name: &str,
        expected: Duration,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let bar = self.begin(name, expected);
        let start = Instant::now();
        let result = Box::pin(work).await;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let mark = if result.is_ok() { "done" } else { "FAILED" };
        self.say(&format!("{mark:>6}  {name}  {}", seconds(start.elapsed())));
        result
    }

    /// One line for the reader, kept apart from the moving ones.
    pub fn say(&self, line: &str) {
        match self {
            Self::Moving(bars) => bars.suspend(|| eprintln!("{line}")),
            Self::Plain => eprintln!("{line}"),
            Self::Silent => {}
        }
    }

    fn begin(&self, name: &str, expected: Duration) -> Option<ProgressBar> {
        let about = format!("{name} (about {})", seconds(expected));
        let Self::Moving(bars) = self else {
            if expected >= WORTH_ANNOUNCING {
                self.say(&format!("        {about} …"));
            }
            return None;
        };
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner:>6}  {msg}  {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(about);
        bar.enable_steady_tick(Duration::from_millis(200));
        Some(bar)
    }
}

/// `3.1 s` below a minute, `2 min 5 s` above.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(seconds(Duration::from_millis(3_140)), "3.1 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }
}
