//! etcd's authentication is on, and the operator is no user: it says so, touches nothing, and goes on
//! by itself once it is off. So it is with a cluster that runs, and with one that is restored from
//! a backup that brought its authentication back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::condition::{self, reason};
use api::v1beta1::{ClusterStatus, Phase};
use kube::ResourceExt;
use serde_json::json;
use tests::scenario::{PATIENCE, Sandbox, TestCluster, holds_for, open_volume};

use crate::kept::{filled, keys, same_keys};
use crate::rest::{settled, written};

/// Longer than the operator waits between two looks.
const REST: Duration = Duration::from_secs(8);
const ROOT: &str = "--user=root:plum";

#[tokio::test]
async fn a_cluster_that_asks_for_users_is_left_alone_until_it_does_not() -> Result<()> {
    Sandbox::run("auth", async |sandbox| {
        let source = filled(sandbox, 3).await?;
        // A member that did not answer would be replaced at once.
        source.change(json!({"recovery": {"replaceAfter": "1s"}})).await?;
        let whole = source.whole(3).await?;
        let before = keys(&source).await?;
        for command in [&["user", "add", "root:plum"][..], &["user", "grant-role", "root", "root"]]
        {
            etcdctl(sandbox, &source, command).await?;
        }
        etcdctl(sandbox, &source, &["auth", "enable"]).await?;
        let status = is_locked(&source).await?;
        ensure!(
            claim(&status, condition::AVAILABLE) == Some("True"),
            "clients are served: {status:?}"
        );
        let untouched = settled(sandbox).await?;
        holds_for("everything as it was", REST, async || {
            let now = written(sandbox).await?;
            ensure!(now == untouched, "it was {untouched:?} and is {now:?}");
            Ok(())
        })
        .await?;

        backup_as_root(sandbox, &source).await?;
        let restore = json!({"backupClusterName": "kv", "storageType": "PersistentVolume"});
        let spec = json!({"size": 1, "backup": {"pv": {"volumeSizeInMB": 64}}, "restore": restore});
        let restored = sandbox.cluster("again", spec).await?;
        let status = is_locked(&restored).await?;
        ensure!(claim(&status, condition::AVAILABLE) == Some("False"), "{status:?}");
        let first = restored.pods().await?.first().and_then(ResourceExt::uid);

        etcdctl(sandbox, &restored, &[ROOT, "auth", "disable"]).await?;
        restored.until("it serves", PATIENCE, |status| status.served).await?;
        open_volume(sandbox, "again").await?;
        let back = restored.whole(1).await?;
        ensure!(back.pods.first().and_then(ResourceExt::uid) == first, "it was made anew");
        same_keys(&restored, &before).await?;
        etcdctl(sandbox, &source, &[ROOT, "auth", "disable"]).await?;
        let names = source.whole(3).await?.names();
        ensure!(names == whole.names(), "{names:?} were {:?}", whole.names());
        same_keys(&source, &before).await
    })
    .await
}

/// Waits until its status says whom the operator needs, and what a person is to do.
async fn is_locked(cluster: &TestCluster) -> Result<ClusterStatus> {
    let status = cluster.phase(Phase::Failed).await?;
    let message = status.message.clone().unwrap_or_default();
    ensure!(message.contains("etcdctl --user=root auth disable"), "{message}");
    for type_ in [condition::AVAILABLE, condition::DEGRADED, condition::PROGRESSING] {
        let told = status.conditions.iter().find(|one| one.type_ == type_);
        let told = told.with_context(|| format!("no condition {type_}"))?;
        ensure!(told.reason == reason::AUTH_REQUIRED, "{told:?}");
    }
    Ok(status)
}

fn claim<'a>(status: &'a ClusterStatus, type_: &str) -> Option<&'a str> {
    let found = status.conditions.iter().find(|one| one.type_ == type_);
    found.map(|one| one.status.as_str())
}

async fn etcdctl(sandbox: &Sandbox, cluster: &TestCluster, args: &[&str]) -> Result<()> {
    let pod = cluster.pods().await?.into_iter().next().context("no pod")?.name_any();
    let all = [&["exec", &pod, "-c", "etcd", "--", "etcdctl"], args].concat();
    sandbox.kubectl(&all, "").await.map(drop)
}

/// What a person does who wants a backup now: the sidecar itself is no user either.
async fn backup_as_root(sandbox: &Sandbox, cluster: &TestCluster) -> Result<()> {
    let endpoints = format!("--endpoints=http://{}-client:{}", cluster.name, api::ports::CLIENT);
    let (namespace, uid) = (sandbox.namespace(), &cluster.uid);
    let whose = [format!("--namespace={namespace}"), format!("--uid={uid}")];
    let deployment = format!("deployment/{}-backup-sidecar", cluster.name);
    let program = "/usr/local/bin/etcd-backup-sidecar";
    let mut args = vec!["exec", &deployment, "--", program, "once", &endpoints, ROOT];
    args.extend(["--cluster", &cluster.name, "--store=file:///var/lib/etcd-backups"]);
    args.extend(whose.iter().map(String::as_str));
    sandbox.kubectl(&args, "").await.map(drop)
}
