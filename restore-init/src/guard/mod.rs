//! Whether etcd may start on this data directory.
//!
//! ```text
//! data dir holds a log? ── yes ─────────────────────────────────────────> start
//!        │ no
//! has this pod served? ─── yes ─────────────────────────────────────────> DataLost
//!        │ no
//! seed ─────────────────────────────────────────────────────────────────> start
//! joiner: ask the existing members until they list this peer URL
//!        │ listed, and never started ───────────────────────────────────> start
//!        └ listed as a member that has started before ──────────────────> DataLost
//! ```
//!
//! The log comes first, so that a reboot of all nodes needs nobody: no other member, no annotation.
//! A half-made directory (etcd makes `member/snap` first and the log last) counts as empty: etcd
//! goes on there, and in a pod that has served it means the same as an empty one.

mod annotations;
mod data_dir;
mod join;
mod peers;

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;

/// How the guard decided.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// etcd may start; why.
    Start(String),
    /// etcd must not start; what happened and what happens next.
    DataLost(String),
    /// The signal with this number came first.
    Ended(u8),
}

/// Decides, or ends at once with the first signal. Process 1 of a container gets no default
/// handlers: a signal that nobody waits for is ignored.
pub(crate) async fn run(config: Config) -> anyhow::Result<Verdict> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        () = received(&mut terminate) => Ok(Verdict::Ended(15)),
        () = received(&mut interrupt) => Ok(Verdict::Ended(2)),
        verdict = decide(&config) => verdict,
    }
}

async fn received(signal: &mut Signal) {
    signal.recv().await;
}

async fn decide(config: &Config) -> anyhow::Result<Verdict> {
    if data_dir::holds_a_log(&config.data_dir)? {
        return Ok(Verdict::Start(format!("{} holds a log", config.data_dir.display())));
    }
    if annotations::has_served(&config.annotations)? {
        return Ok(Verdict::DataLost(lost_here(&config.name, &config.data_dir)));
    }
    let Some(joining) = &config.joining else {
        return Ok(Verdict::Start(
            "the seed has not served yet, so there is no data to lose".into(),
        ));
    };
    let member = join::wait(joining).await;
    if member.has_started() {
        return Ok(Verdict::DataLost(lost_elsewhere(&config.name, &config.data_dir)));
    }
    Ok(Verdict::Start(format!("the members list {}", joining.peer_url)))
}

fn lost_here(name: &str, data_dir: &Path) -> String {
    format!(
        "This pod has served as member {name}, and its data directory {} holds no log any more: \
         the data is gone. etcd is not started, because an empty member under an old identity harms \
         the cluster. The operator removes this member and adds a new one while the others hold \
         quorum; otherwise put the data back.",
        data_dir.display()
    )
}

fn lost_elsewhere(name: &str, data_dir: &Path) -> String {
    format!(
        "The cluster knows member {name} as one that has started before, and the data directory {} \
         holds no log: the data is gone. etcd is not started, because it would crash under its old \
         identity. The operator removes this member and adds a new one.",
        data_dir.display()
    )
}
