//! How far a long command is: a bar on a terminal, a plain line now and then elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;

use crate::output;

/// How often a bar moves.
const BAR: Duration = Duration::from_millis(200);
/// How often a plain line is written.
const LINES: Duration = Duration::from_secs(10);

/// Runs `work` and meanwhile shows how far it is. `look` gives the bytes that are done and all there
/// are, 0 while that is not known.
pub(crate) async fn show<T>(
    what: &str,
    is_quiet: bool,
    look: impl Fn() -> (u64, u64),
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    if is_quiet {
        return work.await;
    }
    let shown = Shown::new(what);
    let mut ticks = interval(if output::is_watched() { BAR } else { LINES });
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut work => {
                shown.end();
                return done;
            }
            _ = ticks.tick() => shown.show(look()),
        }
    }
}

enum Shown {
    Bar(ProgressBar),
    Lines(String),
}

impl Shown {
    fn new(what: &str) -> Self {
        if !output::is_watched() {
            return Self::Lines(what.to_owned());
        }
        let bar = ProgressBar::new(0);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        Self::Bar(bar)
    }

    fn show(&self, (done, all): (u64, u64)) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(all);
                bar.set_position(done);
            }
            Self::Lines(what) if all == 0 => eprintln!("{what}: {} so far", output::bytes(done)),
            Self::Lines(what) => {
                eprintln!("{what}: {} of {}", output::bytes(done), output::bytes(all));
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
