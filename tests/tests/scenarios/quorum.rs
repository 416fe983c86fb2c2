//! A majority is gone with its data: everything is kept, and a person is told.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::Phase;
use kube::ResourceExt;
use serde_json::json;
use tests::scenario::{Sandbox, holds_for};

#[tokio::test]
async fn without_quorum_nothing_is_deleted_and_nothing_starts_empty() -> Result<()> {
    Sandbox::run("lost", async |sandbox| {
        let cluster = sandbox.cluster("lost", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        let survivor = whole.follower()?;
        let mut lost = whole.pods.iter().filter(|pod| pod.uid() != survivor.uid());
        let (one, other) = (lost.next().context("one pod")?, lost.next().context("one pod")?);

        tokio::try_join!(cluster.kill(one), cluster.kill(other))?;

        let status = cluster.phase(Phase::QuorumLost).await?;
        let message = status.message.unwrap_or_default();
        for words in [&one.name_any(), &other.name_any(), "snapshot save"] {
            ensure!(message.contains(words), "the message does not say {words:?}: {message}");
        }
        holds_for("the survivor alone", Duration::from_secs(15), async || {
            let pods = cluster.pods().await?;
            let uids: Vec<_> = pods.iter().map(ResourceExt::uid).collect();
            ensure!(uids == [survivor.uid()], "there are {} pods", pods.len());
            Ok(())
        })
        .await?;
        let kept = cluster.connect(survivor).await?.member_list_serializable().await?;
        ensure!(kept.members == whole.list.members, "the survivor's members changed");
        Ok(())
    })
    .await
}
