//! What a backup does to somebody who writes, when processors are shared out as in Kubernetes.

use std::time::{Duration, Instant};

use ::tests::progress::Progress;
use anyhow::{Context, Result};
use testbed::member::Process;
use testbed::programs::Version;
use tokio::process::Command;

use super::super::share::Share;
use super::super::{latency, watch};
use super::Bench;

/// How long puts are made for their 99th percentile.
const WRITING: Duration = Duration::from_secs(15);
/// Thousandths of a processor that the operator's Deployment asks for, and that it allows.
const SIDECAR: (u64, u64) = (10, 1000);
/// What a member asks for in deploy/examples/placement.yaml.
const MEMBER: u64 = 500;

/// 99th percentiles of puts, in milliseconds.
pub(super) struct Latencies {
    /// With nothing else.
    pub(super) quiet: f64,
    /// While `etcdctl snapshot save` runs, and again.
    pub(super) saving: f64,
    /// While etcd sends its snapshot to somebody who looks at none of it.
    pub(super) sending: f64,
    /// While backups are taken.
    pub(super) backup: f64,
}

impl Bench<'_> {
    /// The etcd asks for what a member of an example asks for, and whatever else runs for what the
    /// sidecar does, up to its limit.
    pub(super) async fn latencies(&self, progress: &Progress) -> Result<Latencies> {
        let member = Share::new("member", MEMBER, None)?;
        let id = self.etcd.members.first().and_then(Process::id);
        member.take(id.context("etcd does not run")?)?;
        let (request, limit) = SIDECAR;
        let sidecar = Share::new("sidecar", request, Some(limit))?;
        let during = async |name: &str, what: &dyn Fn(u32) -> Command| {
            let busy = Box::pin(latency::p99(self.url(), Duration::ZERO, again(what)));
            progress.step(&format!("puts while {name}"), WRITING, busy).await
        };
        let quiet = Box::pin(latency::p99(self.url(), WRITING, async { Ok(()) }));
        let quiet = progress.step("puts with nothing else", WRITING, quiet).await?;
        let save = |_| {
            let mut save = sidecar.start(&Version::V3_6.program("etcdctl"));
            save.args(["--endpoints", self.url(), "snapshot", "save"]);
            save.arg(self.folder.path().join("again.db"));
            save
        };
        let send = |_| {
            let mut send = sidecar.start(&self.programs.stage);
            send.args(["stream", self.url()]);
            send
        };
        let once =
            |number| self.once(sidecar.start(&self.programs.sidecar), &format!("busy-{number}"));
        Ok(Latencies {
            quiet,
            saving: during("etcdctl saves snapshots", &save).await?,
            sending: during("etcd sends snapshots", &send).await?,
            backup: during("backups are taken", &once).await?,
        })
    }
}

/// Runs it again and again for as long as puts are measured, and for once at least.
async fn again(what: &dyn Fn(u32) -> Command) -> Result<()> {
    let start = Instant::now();
    for number in 0.. {
        watch::run(&mut what(number)).await?;
        if start.elapsed() >= WRITING {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecar_has_what_the_operator_gives_it() {
        let deployment = include_str!(
            "../../../../../operator/src/backup/build/snapshots/etcd_operator__backup__build__tests__deployment_in_s3.snap"
        );
        let (request, limit) = SIDECAR;
        assert!(deployment.contains(&format!("cpu: {request}m\n")));
        assert!(deployment.contains(&format!("cpu: \"{}\"\n", limit / 1000)));
    }
}
