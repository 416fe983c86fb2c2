//! A new cluster begins with a backup of another: by the name of a cluster, of a Backup, by a place, and
//! by a revision or a time. Where the backups lie nothing is changed.

mod refused;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{ClusterStatus, Phase, RestoreCause};
use etcd::KeyValue;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tests::scenario::{
    Bucket, Look, PATIENCE, Place, Sandbox, TestCluster, holds_for, open_volume, request, until,
    volume,
};

use crate::kept::{backup_now, deleted, filled, filled_in, keys, kill_all, same_keys};

/// How the files are named that say when a backup was read, so that nobody prunes it meanwhile.
const NOTE: &str = "wanted-";

/// A backup policy for a volume.
fn on_volume() -> Value {
    Place::Volume.policy(&json!({}))
}

/// Applies a cluster that begins with a backup, and waits until it serves.
async fn restored(
    sandbox: &Sandbox,
    name: &str,
    size: usize,
    backup: Value,
    restore: Value,
) -> Result<(TestCluster, ClusterStatus)> {
    let on_volume = backup.get("pv").is_some();
    let spec = json!({"size": size, "backup": backup, "restore": restore});
    let cluster = sandbox.cluster(name, spec).await?;
    if on_volume {
        // Its own volume is made once it serves; that of the source is open already.
        cluster.until("it serves", PATIENCE, |status| status.served).await?;
        open_volume(sandbox, name).await?;
    }
    let status = cluster.whole(size).await?.status;
    let last = status.last_restore.clone().context("no restore is told")?;
    ensure!(last.cause == RestoreCause::Manual, "{last:?}");
    sandbox.say(last.message.as_deref().unwrap_or_default());
    reader_is_gone(sandbox, name).await?;
    Ok((cluster, status))
}

async fn reader_is_gone(sandbox: &Sandbox, cluster: &str) -> Result<()> {
    until("no reader any more", PATIENCE, async || {
        let reader = format!("{cluster}-restore-reader");
        let there = request(sandbox.api::<Pod>().get_opt(&reader)).await?;
        Ok(Look::claim(there.is_none(), || "its pod".into()))
    })
    .await
}

/// All files of an archive with their sizes: nothing of it may change.
fn files(folder: &Path) -> Result<BTreeSet<(String, u64)>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.insert((path.display().to_string(), entry.metadata()?.len()));
        }
    }
    Ok(found)
}

/// What was stored is whole, and all that is new are notes that a backup was read.
fn only_noted(before: &BTreeSet<(String, u64)>, after: &BTreeSet<(String, u64)>) -> Result<()> {
    let changed: Vec<_> = before.difference(after).collect();
    ensure!(changed.is_empty(), "the source's archive was changed: {changed:?}");
    let is_note = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with(NOTE));
    let new: Vec<_> = after.difference(before).filter(|(path, _)| !is_note(path)).collect();
    ensure!(new.is_empty(), "the source's archive got more than notes: {new:?}");
    Ok(())
}

/// Seed test A14: under its own name, from the volume that outlived the cluster.
#[tokio::test]
async fn under_the_same_name_every_key_is_back_from_the_volume() -> Result<()> {
    Sandbox::run("restore-same", async |sandbox| {
        let old = filled(sandbox, 3).await?;
        let before = keys(&old).await?;
        deleted(sandbox, &old).await?;
        sandbox.say("the old one is gone");
        let restore = json!({"backupClusterName": "kv", "storageType": "PersistentVolume"});
        let (new, status) = restored(sandbox, "kv", 3, on_volume(), restore).await?;
        same_keys(&new, &before).await?;
        let last = status.last_restore.context("no restore")?;
        ensure!(last.revision > 1_000_000_000, "{last:?}");
        Ok(())
    })
    .await
}

/// Seed test A15: under another name, while the source runs on and its archive stays as it is.
#[tokio::test]
async fn under_another_name_while_the_source_runs_its_archive_is_not_touched() -> Result<()> {
    Sandbox::run("restore-other", async |sandbox| {
        let source = filled(sandbox, 1).await?;
        let before = keys(&source).await?;
        backup_now(sandbox, "monday").await?;
        let archive = volume(sandbox, "kv").await?.context("no volume")?;
        let stored = files(&archive)?;
        let restore = json!({"backupClusterName": "kv"});
        let (copy, _) = restored(sandbox, "copy", 3, on_volume(), restore).await?;
        same_keys(&copy, &before).await?;
        only_noted(&stored, &files(&archive)?)?;
        source.whole(1).await.map(drop)
    })
    .await
}

/// A Backup by its name, on a volume, into a cluster whose own backups go to a bucket.
#[tokio::test]
async fn a_backup_on_a_volume_is_restored_into_a_cluster_with_a_bucket() -> Result<()> {
    Sandbox::run("restore-to-s3", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        let source = filled(sandbox, 1).await?;
        let before = keys(&source).await?;
        backup_now(sandbox, "monday").await?;
        source.client().await?.put(b"fill/later", b"1").await?;
        backup_now(sandbox, "tuesday").await?;
        let restore = json!({"backup": "monday"});
        let (copy, _) = restored(sandbox, "copy", 1, bucket.policy(), restore).await?;
        same_keys(&copy, &before).await
    })
    .await
}

/// Seed test A17: only the bucket is left, and the new cluster is in another namespace. That of the old
/// one is gone with all that was in it, and what it had stored is not.
#[tokio::test]
async fn from_a_bucket_alone_in_another_namespace() -> Result<()> {
    Sandbox::run("restore-here", async |new| {
        let place = Place::bucket(new).await?;
        let Place::Bucket(bucket) = &place else { return Ok(()) };
        let mut left = None;
        Sandbox::run("restore-bucket", async |old| {
            bucket.keys(&old.api(), testbed::s3::SECRET_KEY).await?;
            let source = filled_in(old, "kv", 1, &place).await?;
            backup_now(old, "last").await?;
            left = Some((old.namespace().to_owned(), keys(&source).await?));
            // With the last backup, for which a namespace that goes leaves no time.
            deleted(old, &source).await
        })
        .await?;
        let (namespace, before) = left.context("nothing was left")?;
        let namespaces: Api<Namespace> = Api::all(new.client.clone());
        until("the old namespace to be gone", PATIENCE, async || {
            let there = request(namespaces.get_opt(&namespace)).await?;
            Ok(Look::claim(there.is_none(), || format!("{:?}", there.and_then(|it| it.status))))
        })
        .await?;
        in_another(new, bucket, &namespace, &before).await
    })
    .await
}

async fn in_another(
    sandbox: &Sandbox,
    bucket: &Bucket,
    namespace: &str,
    before: &[KeyValue],
) -> Result<()> {
    bucket.keys(&sandbox.api(), testbed::s3::SECRET_KEY).await?;
    let policy = bucket.policy();
    let s3 = policy.get("s3").context("no bucket")?;
    let location = json!({"clusterName": "kv", "namespace": namespace, "s3": s3});
    let restore = json!({"location": location});
    let (copy, _) = restored(sandbox, "copy", 3, policy, restore).await?;
    same_keys(&copy, before).await
}

/// The last backup at or before what is asked for, and the sentence that says how far that is; then one
/// of the two loses everything before it has a backup of its own.
#[tokio::test]
async fn a_target_takes_the_backup_at_or_before_it_and_is_gone_back_to_before_the_first_backup()
-> Result<()> {
    Sandbox::run("restore-target", async |sandbox| {
        let place = Place::bucket(sandbox).await?;
        let source = filled_in(sandbox, "kv", 1, &place).await?;
        let before = keys(&source).await?;
        let first = backup_now(sandbox, "first").await?.status.unwrap_or_default();
        let (revision, id) = (first.revision.context("no revision")?, first.id.context("no ID")?);
        let between = now();
        for _ in 0..3 {
            source.client().await?.put(b"fill/later", b"1").await?;
        }
        backup_now(sandbox, "second").await?;

        let restore = json!({"backupClusterName": "kv", "target": {"revision": revision + 2},
                             "storageType": "S3", "keepRevisions": true});
        let policy = place.policy(&json!({}));
        let by_revision = restored(sandbox, "by-revision", 1, policy.clone(), restore);
        let s3 = policy.get("s3").context("no bucket")?;
        let restore = json!({"location": {"clusterName": "kv", "s3": s3},
                             "target": {"time": between}});
        let (by_revision, by_time) =
            tokio::try_join!(Box::pin(by_revision), Box::pin(unsaved(sandbox, restore)))?;

        same_keys(&by_revision.0, &before).await?;
        let last = by_revision.1.last_restore.context("no restore")?;
        ensure!(last.backup.id == id, "{last:?}");
        ensure!(last.revision == revision, "revisions were raised: {last:?}");
        says(last.message.as_deref(), &format!("2 revisions before revision {}", revision + 2))?;

        same_keys(&by_time, &before).await?;
        let last = by_time.status().await?.last_restore.context("no restore")?;
        ensure!(last.backup.id == id && !last.backed_up, "{last:?}");
        says(last.message.as_deref(), "which was asked for")?;
        begins_again(sandbox, &by_time, &before, last.revision).await
    })
    .await
}

fn says(message: Option<&str>, words: &str) -> Result<()> {
    let message = message.unwrap_or_default();
    ensure!(message.contains(words), "{message}");
    Ok(())
}

/// The time by which the backups are dated too.
#[expect(clippy::disallowed_methods, reason = "a person who names a time looks at a clock")]
fn now() -> String {
    k8s_openapi::jiff::Timestamp::now().to_string()
}

/// A cluster whose own backups cannot be stored yet, since nobody opens its volume.
async fn unsaved(sandbox: &Sandbox, restore: Value) -> Result<TestCluster> {
    let spec = json!({"size": 1, "backup": on_volume(), "restore": restore});
    let cluster = sandbox.cluster("by-time", spec).await?;
    cluster.whole(1).await?;
    reader_is_gone(sandbox, "by-time").await?;
    Ok(cluster)
}

/// All is lost before a backup of its own is stored: what it began with is restored once more.
async fn begins_again(
    sandbox: &Sandbox,
    cluster: &TestCluster,
    before: &[KeyValue],
    revision: i64,
) -> Result<()> {
    kill_all(cluster, &cluster.pods().await?).await?;
    let told = cluster.phase(Phase::QuorumLost).await?.message;
    says(told.as_deref(), "nothing is done until the backup sidecar answers")?;
    open_volume(sandbox, &cluster.name).await?;
    let is_again = |status: &ClusterStatus| status.recoveries == 1 && status.restore.is_none();
    cluster.until("restored again", PATIENCE, is_again).await?;
    let status = cluster.whole(1).await?.status;
    same_keys(cluster, before).await?;
    let last = status.last_restore.context("no restore")?;
    sandbox.say(last.message.as_deref().unwrap_or_default());
    ensure!(last.cause == RestoreCause::Recovery && last.revision > revision, "{last:?}");
    says(last.message.as_deref(), "with which this cluster began")?;
    cluster
        .until("a backup of its own", PATIENCE, |status| {
            status.last_restore.as_ref().is_some_and(|last| last.backed_up)
        })
        .await?;
    reader_is_gone(sandbox, &cluster.name).await
}

/// Nothing to restore: nothing starts empty, and a spec that is corrected goes on.
#[tokio::test]
async fn without_such_a_backup_nothing_starts_until_the_spec_names_one() -> Result<()> {
    Sandbox::run("restore-none", async |sandbox| {
        let source = filled(sandbox, 1).await?;
        let before = keys(&source).await?;
        backup_now(sandbox, "last").await?;
        let location =
            |name: &str| json!({"location": {"clusterName": name, "pv": {"claimName": "kv-pvc"}}});
        let spec = json!({"size": 1, "backup": on_volume(), "restore": location("nobody")});
        let copy = sandbox.cluster("copy", spec).await?;
        let told = copy.phase(Phase::Failed).await?.message.unwrap_or_default();
        sandbox.say(&told);
        ensure!(told.contains("nobody"), "{told}");
        holds_for("no member", Duration::from_secs(5), async || {
            let pods = copy.pods().await?;
            let is_member = |pod: &Pod| pod.name_any().starts_with("copy-0");
            ensure!(!pods.iter().any(is_member), "there is a member");
            Ok(())
        })
        .await?;
        copy.change(json!({"restore": location("kv")})).await?;
        copy.until("it serves", PATIENCE, |status| status.served).await?;
        open_volume(sandbox, "copy").await?;
        copy.whole(1).await?;
        same_keys(&copy, &before).await
    })
    .await
}
