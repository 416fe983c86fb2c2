//! Looking after a running etcdutl: its words, its progress, its end.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    time::{MissedTickBehavior, interval},
};

use crate::restore::{problem::Problem, progress::Progress, stall};

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(500);
/// Of its last words so many lines are kept, for what is said when it fails.
const LAST_LINES: usize = 3;
const LONGEST_LINE: usize = 400;

/// Waits for its end. `grows` is the file that it makes, in the end of about `size` bytes.
pub(super) async fn run(mut child: Child, grows: &Path, size: u64) -> Result<(), Problem> {
    let id = child.id();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let words = async { tokio::join!(forward(out), forward(err)).1 };
    let (status, words) = tokio::select! {
        ended = async { tokio::join!(child.wait(), words) } => ended,
        problem = until_stalled(id, grows, size) => return Err(problem),
    };
    let status = status.map_err(Problem::disk("waiting for etcdutl"))?;
    let words = Vec::from(words).join(" ");
    if status.success() { Ok(()) } else { Err(Problem::Etcdutl { status, words }) }
}

/// Passes on what it says; gives the last lines.
async fn forward(stream: Option<impl AsyncRead + Unpin>) -> VecDeque<String> {
    let mut last = VecDeque::new();
    let Some(stream) = stream else { return last };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        eprintln!("etcdutl: {line}");
        last.push_back(line.chars().take(LONGEST_LINE).collect());
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    last
}

/// Shows its progress; returns only when there is none any more.
async fn until_stalled(id: Option<u32>, grows: &Path, size: u64) -> Problem {
    let mut progress = Progress::new("restore", size);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = stall::limit();
    let (mut seen, mut since) = (activity(id), Instant::now());
    loop {
        ticks.tick().await;
        fault::point("restoring");
        progress.update(fs::metadata(grows).map_or(0, |metadata| metadata.len()));
        let now = activity(id);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        if since.elapsed() >= limit {
            return Problem::Stalled(limit.as_secs());
        }
    }
}

/// What the kernel counts of a process: its time on processors, what it has read and written.
fn activity(id: Option<u32>) -> Option<[String; 2]> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", id?)).ok();
    Some([read("stat")?, read("io").unwrap_or_default()])
}
