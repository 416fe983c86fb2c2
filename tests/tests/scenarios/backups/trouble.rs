//! What goes wrong with a store is said in a sentence, and once it is mended all is well by itself.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use serde_json::json;
use testbed::s3::SECRET_KEY;
use tests::scenario::{Bucket, PATIENCE, Place, Sandbox, TestCluster, request};

use super::backup_now;

/// The condition once it is False.
async fn unhealthy(cluster: &TestCluster) -> Result<Condition> {
    let is_so = |condition: &&Condition| {
        condition.type_ == api::condition::BACKUP_HEALTHY && condition.status == "False"
    };
    let status = cluster
        .until("unhealthy backups", PATIENCE, |status| status.conditions.iter().any(|c| is_so(&c)))
        .await?;
    status.conditions.iter().find(is_so).cloned().context("it went away")
}

#[tokio::test]
async fn wrong_keys_are_told_and_right_ones_mend_it() -> Result<()> {
    Sandbox::run("wrong-keys", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        bucket.keys(&sandbox.api(), "wrong").await?;
        let spec = json!({"size": 1, "backup": bucket.policy()});
        let cluster = sandbox.cluster("kv", spec).await?;
        cluster.whole(1).await?;
        let told = unhealthy(&cluster).await?;
        sandbox.say(&format!("{}: {}", told.reason, told.message));
        ensure!(told.message.contains("credentials"), "{}", told.message);
        bucket.keys(&sandbox.api(), SECRET_KEY).await?;
        cluster.condition(api::condition::BACKUP_HEALTHY).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn keys_that_are_not_there_are_told_and_mended_by_creating_them() -> Result<()> {
    Sandbox::run("no-keys", async |sandbox| {
        let bucket = Bucket::start(sandbox).await?;
        let mut policy = bucket.policy();
        policy["s3"]["credentialsSecret"] = json!("other-keys");
        let cluster = sandbox.cluster("kv", json!({"size": 1, "backup": policy})).await?;
        cluster.whole(1).await?;
        let told = unhealthy(&cluster).await?;
        ensure!(told.reason == "Missing", "{told:?}");
        ensure!(told.message.starts_with("Secret other-keys is missing"), "{}", told.message);
        cluster.change(json!({"backup": bucket.policy()})).await?;
        cluster.condition(api::condition::BACKUP_HEALTHY).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_and_creating_it_mends_it() -> Result<()> {
    Sandbox::run("no-bucket", async |sandbox| {
        let mut bucket = Bucket::start(sandbox).await?;
        let spec = json!({"size": 1, "backup": bucket.policy_for("not-there")});
        let cluster = sandbox.cluster("kv", spec).await?;
        cluster.whole(1).await?;
        let told = unhealthy(&cluster).await?;
        sandbox.say(&format!("{}: {}", told.reason, told.message));
        ensure!(told.message.contains("not-there"), "{}", told.message);
        bucket.server().create_bucket("not-there").await;
        cluster.condition(api::condition::BACKUP_HEALTHY).await.map(drop)
    })
    .await
}

/// Where a quota counts requests and limits, Kubernetes refuses a pod of which one container names none.
#[tokio::test]
async fn where_a_quota_counts_limits_members_and_sidecar_start_all_the_same() -> Result<()> {
    Sandbox::run("quota", async |sandbox| {
        let amounts = json!({"requests.cpu": "4", "requests.memory": "4Gi",
                             "limits.cpu": "8", "limits.memory": "8Gi"});
        let quota = json!({"metadata": {"name": "all"}, "spec": {"hard": amounts}});
        let quota: ResourceQuota = serde_json::from_value(quota)?;
        request(sandbox.api().create(&PostParams::default(), &quota)).await?;
        let amounts = json!({"cpu": "500m", "memory": "256Mi"});
        let place = Place::bucket(sandbox).await?;
        let mut spec = place.spec(&json!({}));
        spec["pod"] = json!({"resources": {"requests": amounts, "limits": amounts}});
        let cluster = sandbox.cluster("kv", spec).await?;
        cluster.whole(1).await?;
        cluster.change(json!({"size": 2})).await?;
        cluster.whole(2).await?;
        backup_now(sandbox, "now", &json!({})).await.map(drop)
    })
    .await
}
