//! What cannot be restored: the status says why in a sentence, nothing starts, and nothing is changed.

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase};
use serde_json::{Value, json};
use tests::scenario::{PATIENCE, Place, Sandbox, TestCluster};

use super::says;
use crate::kept::{backup_now, filled_in};

/// An empty bucket, wrong credentials, a bucket that is not there, an etcd that is older than the data.
#[tokio::test]
async fn what_cannot_be_restored_is_refused_with_a_sentence_and_nothing_is_changed() -> Result<()> {
    Sandbox::run("restore-refused", async |sandbox| {
        let place = Place::bucket(sandbox).await?;
        let Place::Bucket(bucket) = &place else { return Ok(()) };
        bucket.create("hollow").await;
        bucket.keys_named(&sandbox.api(), "wrong-keys", "wrong").await?;
        let source = filled_in(sandbox, "kv", 1, &place).await?;
        backup_now(sandbox, "last").await?;
        let stored = place.archive(sandbox, &source).await?;

        let right = bucket.policy();
        let right = right.get("s3").context("no bucket")?;
        let with = |field: &str, value: &str| {
            let mut s3 = right.clone();
            s3[field] = json!(value);
            s3
        };
        let apply = async |name: &str, s3: &Value, version: &str| {
            let location = json!({"clusterName": "kv", "s3": s3});
            let spec = json!({"size": 1, "version": version, "backup": bucket.policy(),
                              "restore": {"location": location}});
            sandbox.cluster(name, spec).await
        };
        let empty = apply("empty", &with("bucket", "hollow"), "3.6.16").await?;
        let keys = apply("keys", &with("credentialsSecret", "wrong-keys"), "3.6.16").await?;
        let missing = apply("missing", &with("bucket", "not-there"), "3.6.16").await?;
        let old = apply("old", right, "3.5.35").await?;

        for (cluster, words) in [
            (&empty, "there is no backup of"),
            (&keys, "credentials"),
            (&missing, "not-there"),
            (&old, "3.5"),
        ] {
            refused(sandbox, cluster, words).await?;
        }
        ensure!(empty.status().await?.phase == Some(Phase::Failed), "a person has to act");
        let now = place.archive(sandbox, &source).await?;
        let is_note = |file: &&String| file.contains(super::NOTE);
        let more: Vec<_> = now.difference(&stored).filter(|file| !is_note(file)).collect();
        ensure!(more.is_empty() && now.is_superset(&stored), "{stored:?} became {now:?}");
        source.whole(1).await.map(drop)
    })
    .await
}

/// It says so, and nothing serves.
async fn refused(sandbox: &Sandbox, cluster: &TestCluster, words: &str) -> Result<()> {
    let is_said = |status: &ClusterStatus| {
        status.message.as_deref().is_some_and(|message| message.contains(words))
    };
    let status = cluster.until(words, PATIENCE, is_said).await?;
    sandbox.say(&format!("{}: {}", cluster.name, status.message.as_deref().unwrap_or_default()));
    says(status.message.as_deref(), words)?;
    ensure!(!status.served && status.last_restore.is_none(), "it serves: {status:?}");
    let pods = cluster.pods().await?;
    ensure!(!pods.iter().any(|pod| is_member(cluster, pod)), "a member is ready");
    Ok(())
}

/// A pod of a member that serves; the reader is none.
fn is_member(cluster: &TestCluster, pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    let name = kube::ResourceExt::name_any(pod);
    name.starts_with(&format!("{}-0", cluster.name)) && tests::scenario::is_ready(pod)
}
