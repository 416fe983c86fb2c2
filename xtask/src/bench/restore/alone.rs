//! A restore without Kubernetes: from a bucket on this machine into a data directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tests::command::{command, run};
use ::tests::localkube::workspace;
use ::tests::progress::Progress;
use anyhow::{Context, Result};
use testbed::cluster::Cluster;
use testbed::programs::Version;
use testbed::s3;

use crate::bench::backup::watch::{self, Cost};
use crate::bench::backup::{Programs, data};
use crate::bench::figure::Figure;

const VERSION: Version = Version::V3_6;
const BUCKET: &str = "bench";
const LIMIT: Duration = Duration::from_mins(20);
/// What `etcd-restore-init` gives to etcdutl.
const RAISED: [&str; 2] = ["--bump-revision=1000000000", "--mark-compacted"];

/// What the two are measured with.
struct Bench<'a> {
    programs: &'a Programs,
    s3: s3::Server,
    folder: tempfile::TempDir,
}

/// All figures of one size.
pub(super) async fn size(
    megabytes: u64,
    runs: u8,
    programs: &Programs,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    // Not below /tmp, which may be memory.
    let folder = tempfile::tempdir_in(workspace().join("target"))?;
    let s3 = s3::Server::start().await;
    s3.create_bucket(BUCKET).await;
    let bench = Bench { programs, s3, folder };
    Box::pin(bench.prepare(megabytes, progress)).await?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let etcdutl =
            progress.step("etcdutl snapshot restore", expected(megabytes), bench.theirs());
        theirs.push(etcdutl.await?);
        let restore_init = progress.step("etcd-restore-init", expected(megabytes), bench.ours());
        ours.push(restore_init.await?);
    }
    Ok(figures(&theirs, &ours))
}

fn expected(megabytes: u64) -> Duration {
    Duration::from_secs(megabytes.div_ceil(150))
}

impl Bench<'_> {
    fn raw(&self) -> PathBuf {
        self.folder.path().join("snapshot.db")
    }

    fn store(&self) -> String {
        format!("s3://{BUCKET}/restore?endpoint={}", self.s3.endpoint())
    }

    /// A snapshot in a file and a backup in the bucket, of an etcd that is gone when they are measured.
    async fn prepare(&self, megabytes: u64, progress: &Progress) -> Result<()> {
        let quota = ["--quota-backend-bytes=8589934592"];
        let etcd = Box::pin(Cluster::start_with(VERSION, 1, &quota)).await;
        let url = etcd.members.first().map_or("", |member| member.place.client_url.as_str());
        let filling = Box::pin(data::fill(url, megabytes * 1_000_000));
        progress.step("fill the database", Duration::from_secs(megabytes / 12), filling).await?;
        let mut save = command(VERSION.program("etcdctl"));
        save.args(["--endpoints", url, "snapshot", "save"]).arg(self.raw());
        run(&mut save, LIMIT).await?;
        let mut once = command(&self.programs.sidecar);
        once.args(["once", "--endpoints", url, "--cluster", "bench", "--store", &self.store()]);
        once.envs(self.s3.environment());
        progress.step("back it up", expected(megabytes), run(&mut once, LIMIT)).await?;
        Ok(())
    }

    async fn theirs(&self) -> Result<Cost> {
        let data_dir = self.free("theirs").await?;
        let mut etcdutl = command(VERSION.program("etcdutl"));
        etcdutl.args(["snapshot", "restore"]).arg(self.raw()).args(RAISED);
        etcdutl.arg("--data-dir").arg(&data_dir);
        watch::run(&mut etcdutl).await
    }

    async fn ours(&self) -> Result<Cost> {
        let data_dir = self.free("ours").await?;
        let mut restore = command(&self.programs.restore_init);
        restore.args(["run", "--from", &self.store(), "--cluster", "bench"]);
        restore.arg("--data-dir").arg(&data_dir);
        restore.arg("--etcdutl").arg(VERSION.program("etcdutl")).envs(self.s3.environment());
        watch::run(&mut restore).await
    }

    /// A path with nothing there, and nothing left for the disk to do.
    async fn free(&self, name: &str) -> Result<PathBuf> {
        for old in ["theirs", "ours"] {
            remove(&self.folder.path().join(old))?;
        }
        run(&mut command("sync"), LIMIT).await?;
        Ok(self.folder.path().join(name))
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("removing an earlier data directory")?;
    }
    Ok(())
}

fn figures(theirs: &[Cost], ours: &[Cost]) -> Vec<Figure> {
    let seconds = |costs: &[Cost]| costs.iter().map(|cost| cost.seconds).collect::<Vec<_>>();
    let pairs = ours.iter().zip(theirs);
    let ratios = pairs.map(|(ours, theirs)| ours.seconds / theirs.seconds).collect();
    let memory = ours.iter().map(|cost| cost.peak_mib).collect();
    vec![
        Figure::new("etcd-restore-init, from the bucket", "s", None, seconds(ours))
            .beside("etcdutl snapshot restore, from a file", seconds(theirs)),
        Figure::new("the one by the other, in pairs", "×", Some(1.25), ratios),
        Figure::new("peak memory of etcd-restore-init", "MiB", Some(48.0), memory),
    ]
}
