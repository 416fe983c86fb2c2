//! Whoever watches a cluster that is lost and recovered is told that it has to read anew.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use testbed::programs::Version;
use tests::command::command;
use tests::scenario::{Look, PATIENCE, Sandbox, until};
use tokio::process::Child;

use crate::kept::{backup_now, filled};

#[tokio::test]
async fn a_watch_from_before_a_recovery_is_cancelled_as_compacted() -> Result<()> {
    Sandbox::run("watchers", async |sandbox| {
        let cluster = filled(sandbox, 1).await?;
        let folder = tempfile::tempdir()?;
        let mut past = Watch::start(sandbox, &folder, "past", &["--rev=2"])?;
        past.tells("fill/0007").await?;
        backup_now(sandbox, "before").await?;
        let mut present = Watch::start(sandbox, &folder, "present", &[])?;
        let client = cluster.client().await?;
        // Until the watch has begun nothing is told, so it is put again and again; and the last
        // ones are in no backup.
        until("the watch to begin", PATIENCE, async || {
            client.put(b"fill/later", b"not in the backup").await?;
            let told = present.told()?;
            Ok(Look::claim(told.contains("fill/later"), || told.clone()))
        })
        .await?;

        let whole = cluster.whole(1).await?;
        cluster.kill(whole.pods.first().context("no pod")?).await?;
        let recovered = |status: &api::v1beta1::ClusterStatus| status.recoveries == 1;
        cluster.until("it is recovered", PATIENCE, recovered).await?;
        cluster.whole(1).await?;

        past.is_cancelled().await?;
        present.is_cancelled().await
    })
    .await
}

/// `etcdctl watch` through the client service. It connects again by itself, as all clients do.
struct Watch {
    child: Child,
    said: PathBuf,
}

impl Watch {
    fn start(sandbox: &Sandbox, folder: &TempDir, name: &str, more: &[&str]) -> Result<Self> {
        let said = folder.path().join(name);
        let output = File::create(&said)?;
        let service = format!("kv-client.{}.svc.cluster.local", sandbox.namespace());
        let mut watch = command(Version::V3_6.program("etcdctl"));
        watch.arg(format!("--endpoints=http://{service}:{}", api::ports::CLIENT));
        watch.args(["watch", "--prefix", "fill/"]).args(more);
        watch.stdout(Stdio::from(output.try_clone()?)).stderr(output);
        Ok(Self { child: watch.spawn()?, said })
    }

    fn told(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.said)?)
    }

    async fn tells(&self, key: &str) -> Result<()> {
        until(&format!("the watch to tell of {key}"), PATIENCE, async || {
            let told = self.told()?;
            Ok(Look::claim(told.contains(key), || told.clone()))
        })
        .await
    }

    async fn is_cancelled(&mut self) -> Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.context("a watch is left in silence")??;
        let said = self.told()?;
        let is_told = said.contains("required revision has been compacted");
        ensure!(is_told, "the watch ended: {}", said.lines().last().unwrap_or_default());
        Ok(())
    }
}
