//! The constant writer of a scenario: puts through whichever member of its cluster serves.

use anyhow::{Result, ensure};
use etcd::MemberClient;

use super::TestCluster;
use crate::writer::{self, Connect};

impl Connect for TestCluster {
    async fn connect(&self) -> Result<MemberClient> {
        self.client().await
    }

    fn salt(&self) -> &str {
        &self.uid
    }
}

/// Writes until it is finished; stops when dropped.
pub struct Writer {
    cluster: TestCluster,
    inner: writer::Writer,
}

impl Writer {
    pub(super) fn start(cluster: TestCluster) -> Self {
        Self { inner: writer::Writer::start(cluster.clone()), cluster }
    }

    /// Waits until `count` more puts are acknowledged: clients are served.
    pub async fn advances(&self, count: u32) -> Result<()> {
        self.inner.wait_for(count, super::PATIENCE).await
    }

    /// Stops, and reads back every key that was acknowledged. Returns how many there were.
    pub async fn finish(self) -> Result<u32> {
        let written = self.inner.stop().await?;
        ensure!(written.acknowledged > 0, "nothing was acknowledged");
        Box::pin(writer::check(&self.cluster, written.acknowledged)).await?;
        let (there, failed) = (written.acknowledged, written.failed);
        eprintln!("{there} puts acknowledged and read back, {failed} failed");
        Ok(there)
    }
}
