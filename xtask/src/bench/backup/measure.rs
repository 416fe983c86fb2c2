//! The measurements on a database of one size.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tests::command::{command, run};
use ::tests::localkube::workspace;
use ::tests::progress::Progress;
use anyhow::{Context, Result};
use testbed::cluster::Cluster;
use testbed::programs::Version;
use testbed::s3;
use tokio::process::Command;

use super::watch::{self, Cost};
use super::{Programs, data, idle};
use crate::bench::figure::Figure;

mod puts;

use puts::Latencies;

const BUCKET: &str = "bench";
/// The folder of the backup that is measured.
const WHOLE: &str = "whole";
const LIST_LIMIT: Duration = Duration::from_mins(1);

/// What a database of one size is measured with.
struct Bench<'a> {
    programs: &'a Programs,
    etcd: Cluster,
    s3: s3::Server,
    folder: tempfile::TempDir,
}

/// All figures of one size.
pub(super) async fn size(
    megabytes: u64,
    programs: &Programs,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    // Not below /tmp, which may be memory.
    let folder = tempfile::tempdir_in(workspace().join("target"))?;
    let quota = ["--quota-backend-bytes=8589934592"];
    let etcd = Box::pin(Cluster::start_with(Version::V3_6, 1, &quota)).await;
    let s3 = s3::Server::start_in_memory().await;
    s3.create_bucket(BUCKET).await;
    let bench = Bench { programs, etcd, s3, folder };
    let filling = Box::pin(data::fill(bench.url(), megabytes * 1_000_000));
    progress.step("fill the database", Duration::from_secs(megabytes / 12), filling).await?;
    let theirs = Box::pin(bench.theirs(progress)).await?;
    let stages = Box::pin(bench.stages(progress)).await?;
    let ours = progress.step("the whole backup", Duration::from_secs(15), bench.ours()).await?;
    let stored = bench.stored().await?;
    let latencies = Box::pin(bench.latencies(progress)).await?;
    let idle = progress.step("at rest", Duration::from_secs(10), bench.idle()).await?;
    let ours = Ours { whole: ours, stored, latencies, idle };
    figures(&bench, &theirs, &stages, &ours)
}

/// What people use without us, one after the other.
struct Theirs {
    save: Cost,
    gzip: Cost,
    upload: Cost,
}

/// Our own stages, each alone.
struct Stages {
    stream: Cost,
    check: Cost,
    gzip: Cost,
    upload: Cost,
}

/// The whole.
struct Ours {
    whole: Cost,
    stored: f64,
    latencies: Latencies,
    idle: idle::Memory,
}

impl Stages {
    fn slowest(&self) -> f64 {
        let Self { stream, check, gzip, upload } = self;
        [stream, check, gzip, upload].iter().map(|cost| cost.seconds).fold(0.0, f64::max)
    }
}

impl Bench<'_> {
    fn url(&self) -> &str {
        self.etcd.members.first().map_or("", |member| member.place.client_url.as_str())
    }

    fn raw(&self) -> PathBuf {
        self.folder.path().join("snapshot.db")
    }

    fn packed(&self) -> PathBuf {
        self.folder.path().join("snapshot.db.gz")
    }

    async fn theirs(&self, progress: &Progress) -> Result<Theirs> {
        let step = async |name: &str, seconds, mut what: Command| {
            progress.step(name, Duration::from_secs(seconds), watch::run(&mut what)).await
        };
        let mut save = command(Version::V3_6.program("etcdctl"));
        save.args(["--endpoints", self.url(), "snapshot", "save"]).arg(self.raw());
        let save = step("etcdctl snapshot save", 12, save).await?;
        let mut gzip = command("gzip");
        gzip.args(["-6", "--keep"]).arg(self.raw());
        let gzip = step("gzip -6", 50, gzip).await?;
        let mut rclone = command("rclone");
        rclone.args(["copyto"]).arg(self.packed()).arg(format!(":s3:{BUCKET}/theirs.db.gz"));
        rclone.args(["--s3-provider", "Other", "--s3-env-auth", "--s3-force-path-style"]);
        rclone.arg("--s3-endpoint").arg(self.s3.endpoint()).envs(self.s3.environment());
        // rclone cannot use one, and the server speaks plain HTTP.
        rclone.env_remove("AWS_CA_BUNDLE");
        let upload = step("upload by rclone", 5, rclone).await?;
        Ok(Theirs { save, gzip, upload })
    }

    async fn stages(&self, progress: &Progress) -> Result<Stages> {
        let stage = async |args: &[&std::ffi::OsStr], seconds| {
            let mut what = command(&self.programs.stage);
            what.args(args).envs(self.s3.environment());
            let name = args.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            let name = format!("our stage alone: {name}");
            progress.step(&name, Duration::from_secs(seconds), watch::run(&mut what)).await
        };
        let (raw, packed, store) = (self.raw(), self.packed(), self.store("stage"));
        Ok(Stages {
            stream: stage(&["stream".as_ref(), self.url().as_ref()], 5).await?,
            check: stage(&["check".as_ref(), raw.as_os_str()], 2).await?,
            gzip: stage(&["gzip".as_ref(), raw.as_os_str()], 5).await?,
            upload: stage(&["upload".as_ref(), packed.as_os_str(), store.as_ref()], 3).await?,
        })
    }

    fn store(&self, folder: &str) -> String {
        format!("s3://{BUCKET}/{folder}?endpoint={}", self.s3.endpoint())
    }

    async fn ours(&self) -> Result<Cost> {
        watch::run(&mut self.once(command(&self.programs.sidecar), WHOLE)).await
    }

    /// The bytes that the whole backup takes in the bucket.
    async fn stored(&self) -> Result<f64> {
        let mut list = command(&self.programs.sidecar);
        list.args(["list", "--json", "--store", &self.store(WHOLE)]).envs(self.s3.environment());
        let listed: serde_json::Value = serde_json::from_str(&run(&mut list, LIST_LIMIT).await?)?;
        let size = listed.pointer("/0/storedSize").and_then(serde_json::Value::as_f64);
        size.with_context(|| format!("the list names no size: {listed}"))
    }

    /// One backup by a program that is the sidecar, or starts it.
    fn once(&self, mut program: Command, folder: &str) -> Command {
        program.args(["once", "--endpoints", self.url(), "--cluster", "bench"]);
        program.args(["--store", &self.store(folder), "--log", "warn"]);
        program.envs(self.programs.environment.iter().cloned()).envs(self.s3.environment());
        program
    }

    /// The memory of a sidecar that has taken its first backup and waits for the next.
    async fn idle(&self) -> Result<idle::Memory> {
        let mut sidecar = command(&self.programs.sidecar);
        sidecar.envs(self.programs.environment.iter().cloned()).envs(self.s3.environment());
        idle::memory(sidecar, self.folder.path(), self.url(), self.store("idle")).await
    }
}

fn figures(
    bench: &Bench<'_>,
    theirs: &Theirs,
    stages: &Stages,
    ours: &Ours,
) -> Result<Vec<Figure>> {
    let one = |name, unit, goal, value| Figure::new(name, unit, goal, vec![value]);
    let by_hand = theirs.save.seconds + theirs.gzip.seconds + theirs.upload.seconds;
    let (Ours { whole, stored, latencies, idle }, seconds) = (ours, ours.whole.seconds);
    let Latencies { quiet, saving, sending, backup } = latencies;
    let packed = bytes(&bench.packed())?;
    Ok(vec![
        one("the whole backup", "s", None, seconds)
            .beside("etcdctl snapshot save + gzip -6 + rclone", vec![by_hand]),
        one("by the same, one after the other (goal 1/6)", "×", Some(0.167), seconds / by_hand),
        one("by its slowest stage alone", "×", Some(1.4), seconds / stages.slowest()),
        one("etcdctl snapshot save", "s", None, theirs.save.seconds),
        one("gzip -6", "s", None, theirs.gzip.seconds),
        one("rclone copyto", "s", None, theirs.upload.seconds),
        one("our stage: stream", "s", None, stages.stream.seconds),
        one("our stage: check", "s", None, stages.check.seconds),
        one("our stage: gzip", "s", None, stages.gzip.seconds),
        one("our stage: upload", "s", None, stages.upload.seconds),
        one("stored bytes by gzip -6", "×", Some(1.02), stored / packed),
        one("stored bytes by raw bytes", "×", None, stored / bytes(&bench.raw())?),
        one("peak memory of the backup", "MiB", Some(48.0), whole.peak_mib),
        one("memory at rest", "MiB", Some(15.0), idle.all),
        one("of which its own, not pages of the program", "MiB", None, idle.own),
        one("put, 99th percentile, nothing else", "ms", None, *quiet),
        one("the same while etcdctl saves snapshots", "ms", None, *saving),
        one("the same while etcd only sends snapshots", "ms", None, *sending),
        one("the same during backups", "ms", None, *backup),
        one("the last by the first", "×", Some(1.2), backup / quiet),
        one("the last by that while etcd only sends", "×", None, backup / sending),
    ])
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn bytes(file: &Path) -> Result<f64> {
    let length = std::fs::metadata(file).context("reading a file's size")?.len();
    Ok(length as f64)
}
