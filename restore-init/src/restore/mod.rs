//! Making an etcd data directory of a backup.
//!
//! ```text
//!  look at the data dir ── this restore's marker ──> done
//!          │ free                 (anything else: refused)
//!  ask etcdutl what it is, find the backup ─> do they go together? ─> is there room?
//!          │
//!  download, stored digest ───────> <data dir>.restoring/snapshot.db
//!          ├────────────────────────> check: raw digest, structure
//!  etcdutl snapshot restore ──────> <data dir>.restoring/data
//!          ├<──────────────────────── it is good
//!  marker, fsync ─> rename to <data dir> ─> remove <data dir>.restoring
//! ```
//!
//! The data directory appears whole or not at all, by the rename. Whatever happens before it leaves
//! nothing but the working folder, which is removed, or after a kill by the next run, which starts over.

pub(crate) mod args;
mod check;
mod compatibility;
pub(crate) mod config;
mod data_dir;
mod download;
mod durable;
mod etcdutl;
mod problem;
mod progress;
mod report;
mod sidecar;
mod source;
mod stall;
mod workspace;

use std::time::Instant;

use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use report::Outcome;

use self::{
    args::RunArgs, config::Config, data_dir::State, etcdutl::Etcdutl, problem::Problem,
    report::Report, source::Chosen, workspace::Workspace,
};

/// Restores, and says how it ended.
pub(crate) async fn run(args: RunArgs) -> Outcome {
    let (start, mut report) = (Instant::now(), Report::default());
    let result = match Config::try_from(args) {
        Ok(config) => until_signal(&config, &mut report).await,
        Err(problem) => Err(problem),
    };
    report.conclude(result, start.elapsed())
}

/// Process 1 of a container gets no default handlers: a signal that nobody waits for is ignored.
async fn until_signal(config: &Config, report: &mut Report) -> Result<(), Problem> {
    let doing = "preparing to receive signals";
    let mut terminate = signal(SignalKind::terminate()).map_err(Problem::disk(doing))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Problem::disk(doing))?;
    tokio::select! {
        biased;
        () = received(&mut terminate) => Err(Problem::Signal(15)),
        () = received(&mut interrupt) => Err(Problem::Signal(2)),
        result = Box::pin(restore(config, report)) => result,
    }
}

async fn received(signal: &mut Signal) {
    signal.recv().await;
}

async fn restore(config: &Config, report: &mut Report) -> Result<(), Problem> {
    if let State::Restored(earlier) = data_dir::look(&config.data_dir, &config.restore_id)? {
        Workspace::remove_left_over(&config.data_dir)?;
        report.was_restored_before(earlier);
        return Ok(());
    }
    // Each takes a tenth of a second and more, and neither needs the other.
    let (etcdutl, backup) =
        tokio::try_join!(Etcdutl::find(config.etcdutl.as_deref()), source::choose(config))?;
    let bump = etcdutl.bump(config.bump);
    report.chose(&backup, bump)?;
    compatibility::check(&backup.manifest, &etcdutl.version)?;
    let workspace = Workspace::make(&config.data_dir)?;
    let made = make(config, &workspace, &etcdutl, &backup, report).await;
    // A disk that is full gets its room back, too.
    let removed = workspace.remove();
    made.and(removed)
}

async fn make(
    config: &Config,
    workspace: &Workspace,
    etcdutl: &Etcdutl,
    backup: &Chosen,
    report: &Report,
) -> Result<(), Problem> {
    fault::point("workspace");
    workspace.check_room(backup.manifest.raw.size)?;
    let written = download::run(backup, &workspace.snapshot()).await;
    let written =
        written.map_err(|problem| problem.while_reading(&backup.manifest.id.to_string()))?;
    fault::point("downloaded");
    let restoring = etcdutl.restore(config, workspace, report.bump(), backup.manifest.raw.size);
    check::beside(restoring, &backup.manifest, workspace.snapshot(), written).await?;
    fault::point("restored");
    data_dir::mark(&workspace.data(), &config.restore_id, report)?;
    durable::sync_tree(&workspace.data())?;
    fault::point("marked");
    durable::rename(&workspace.data(), &config.data_dir)?;
    fault::point("renamed");
    Ok(())
}
