//! The operator killed, taken away, or confined to a namespace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};
use tests::localkube::workspace;
use tests::scenario::{
    Bucket, Look, PATIENCE, Sandbox, TestCluster, holds_for, is_ready, operator, request, until,
};

use crate::rest;

#[tokio::test]
async fn while_the_operator_is_away_nothing_changes_and_afterwards_all_is_healed() -> Result<()> {
    Sandbox::run("away", async |sandbox| {
        let cluster = sandbox.cluster("away", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        let writer = cluster.writer();
        operator::without(&sandbox.client, async || {
            sandbox.say("the operator is away");
            cluster.kill(whole.follower()?).await?;
            two_pods(&cluster).await
        })
        .await?;
        sandbox.say("the operator is back");
        cluster.whole(3).await?;
        writer.finish().await.map(drop)
    })
    .await
}

async fn two_pods(cluster: &TestCluster) -> Result<()> {
    until("two pods", PATIENCE, async || {
        let pods = cluster.pods().await?;
        Ok(Look::claim(pods.len() == 2, || format!("{} pods", pods.len())))
    })
    .await?;
    holds_for("two pods without an operator", Duration::from_secs(5), async || {
        let pods = cluster.pods().await?.len();
        ensure!(pods == 2, "{pods} pods");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn clusters_made_while_it_is_away_are_all_looked_after_when_it_starts() -> Result<()> {
    Sandbox::run("before", async |sandbox| {
        // Several: all of them wait for the same caches when it starts.
        let made = operator::without(&sandbox.client, async || {
            tokio::try_join!(
                sandbox.cluster("first", json!({"size": 1})),
                sandbox.cluster("second", json!({"size": 1})),
                sandbox.cluster("third", json!({"size": 1})),
            )
        });
        let (first, second, third) = made.await?;
        for cluster in [first, second, third] {
            cluster.whole(1).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn killed_at_ten_random_moments_it_always_goes_on() -> Result<()> {
    Sandbox::run("killed", async |sandbox| {
        let cluster = sandbox.cluster("killed", json!({"size": 3})).await?;
        for _ in 0..3 {
            crash_within(sandbox, Duration::from_secs(3)).await?;
        }
        cluster.whole(3).await?;
        sandbox.say("created");
        let writer = cluster.writer();

        cluster.change(json!({"size": 5})).await?;
        for _ in 0..2 {
            crash_within(sandbox, Duration::from_secs(4)).await?;
        }
        let whole = cluster.whole(5).await?;
        sandbox.say("grown");

        cluster.kill(whole.leader()?).await?;
        for _ in 0..3 {
            crash_within(sandbox, Duration::from_secs(2)).await?;
        }
        cluster.whole(5).await?;
        sandbox.say("healed");

        cluster.change(json!({"size": 3})).await?;
        for _ in 0..2 {
            crash_within(sandbox, Duration::from_secs(2)).await?;
        }
        cluster.whole(3).await?;
        sandbox.say("shrunk");
        writer.finish().await.map(drop)
    })
    .await
}

/// Kills the operator that works, at a random moment within `span`.
async fn crash_within(sandbox: &Sandbox, span: Duration) -> Result<()> {
    let moment = span.mul_f64(fastrand::f64());
    tokio::time::sleep(moment).await;
    let who = operator::crash(&sandbox.kube, &sandbox.client).await?;
    sandbox.say(&format!("killed {who} after {moment:?}"));
    Ok(())
}

#[tokio::test]
async fn one_that_starts_has_nothing_to_write_about_a_cluster_at_rest() -> Result<()> {
    Sandbox::run("start", async |sandbox| {
        let cluster = sandbox.cluster("rest", json!({"size": 3})).await?;
        cluster.whole(3).await?;
        let before = rest::settled(sandbox).await?;
        for _ in 0..3 {
            operator::crash(&sandbox.kube, &sandbox.client).await?;
            operator::leader(&sandbox.client).await?;
            holds_for("everything as it was", Duration::from_secs(3), async || {
                let now = rest::written(sandbox).await?;
                ensure!(now == before, "it was {before:?} and is {now:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_operator_of_one_namespace_sees_no_other() -> Result<()> {
    Sandbox::run("mine", async |mine| {
        Sandbox::run("theirs", async |theirs| {
            operator::without(&mine.client, async || confined(mine, theirs).await).await
        })
        .await
    })
    .await
}

async fn confined(mine: &Sandbox, theirs: &Sandbox) -> Result<()> {
    start_namespaced(mine, &[]).await?;
    let other = theirs.cluster("other", json!({"size": 1})).await?;
    let cluster = mine.cluster("own", json!({"size": 3})).await?;
    let whole = cluster.whole(3).await?;
    mine.say("its own cluster runs");
    cluster.kill(whole.follower()?).await?;
    cluster.whole(3).await?;
    ensure!(other.get().await?.status.is_none(), "it looked after another namespace's cluster");
    let log = mine.kubectl(&["logs", "deployment/etcd-operator"], "").await?;
    ensure!(!log.contains("forbidden"), "it asked for what it may not: {log}");
    end_namespaced(mine).await
}

/// Two operators on one cluster would take steps in turn. The one that may look further gives way.
#[tokio::test]
async fn a_namespace_with_an_operator_of_its_own_is_left_to_that_one() -> Result<()> {
    Sandbox::run("left", async |sandbox| {
        start_namespaced(sandbox, &[]).await?;
        until("an operator at work in the namespace", PATIENCE, async || {
            let lease = request(sandbox.api::<Lease>().get_opt(operator::NAME)).await?;
            let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
            Ok(Look::claim(!holder.is_empty(), || "nobody".into()))
        })
        .await?;
        let cluster = sandbox.cluster("left", json!({"size": 3})).await?;
        cluster.whole(3).await?;
        let pods = request(sandbox.api::<Pod>().list(&ListParams::default())).await?;
        let (mut told, mut steps) = (false, 0);
        for event in request(sandbox.api::<Event>().list(&ListParams::default())).await? {
            let by = event.reporting_instance.unwrap_or_default();
            match event.reason.as_deref() {
                Some("LeftToAnother") => told = true,
                Some("PodCreated" | "LearnerAdded" | "MemberPromoted") => {
                    let is_own = pods.iter().any(|pod| pod.name_any() == by);
                    ensure!(is_own, "{:?} was done by {by}", event.note);
                    steps += 1;
                }
                _ => {}
            }
        }
        ensure!(told && steps > 0, "told: {told}, steps: {steps}");
        end_namespaced(sandbox).await?;
        // Nobody else is there now.
        cluster.change(json!({"size": 2})).await?;
        cluster.whole(2).await.map(drop)
    })
    .await
}

/// Deploys an operator for a scenario's namespace alone, with these variables.
async fn start_namespaced(sandbox: &Sandbox, env: &[(&str, &str)]) -> Result<()> {
    let overlay = namespaced_for(sandbox.namespace(), env)?;
    let manifests = operator::render(&sandbox.kube, &overlay).await?;
    std::fs::remove_dir_all(&overlay)?;
    ensure!(manifests.iter().all(|one| one["kind"] != "ClusterRole"), "it has a ClusterRole");
    operator::apply_all(&sandbox.kube, &manifests).await
}

/// It would look after its clusters beside the one that comes back.
async fn end_namespaced(sandbox: &Sandbox) -> Result<()> {
    let deleting = ["delete", "deployment", "etcd-operator", "--wait=true"];
    sandbox.kubectl(&deleting, "").await.map(drop)
}

/// The seed's way: the operator is started with a bucket, and the cluster's manifest names none.
#[tokio::test]
async fn an_empty_s3_is_the_bucket_that_the_operator_was_started_with() -> Result<()> {
    Sandbox::run("flags", async |sandbox| {
        operator::without(&sandbox.client, async || flags(sandbox).await).await
    })
    .await
}

async fn flags(sandbox: &Sandbox) -> Result<()> {
    let bucket = Bucket::start(sandbox).await?;
    let (credentials, config) = bucket.aws_files();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"},
                        "stringData": {"credentials": credentials}});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "aws-config"},
                     "data": {"config": config}});
    for object in [secret, map] {
        sandbox.kubectl(&["apply", "-f", "-"], &object.to_string()).await?;
    }
    let env = [
        ("BACKUP_AWS_SECRET", "aws"),
        ("BACKUP_AWS_CONFIG", "aws-config"),
        ("BACKUP_S3_BUCKET", bucket.name()),
    ];
    start_namespaced(sandbox, &env).await?;
    let spec = json!({"size": 1, "backup": {"storageType": "S3", "s3": {}}});
    let cluster = sandbox.cluster("kv", spec).await?;
    cluster.whole(1).await?;
    cluster.condition(api::condition::BACKUP_HEALTHY).await?;
    let files = bucket.files(&format!("v1/{}/kv/{}", sandbox.namespace(), cluster.uid)).await?;
    ensure!(files.iter().any(|file| file.contains("/manifest-")), "nothing stored: {files:?}");
    let copy =
        sandbox.kubectl(&["get", "secret", "kv-backup-credentials", "-o", "json"], "").await?;
    let copy: Value = serde_json::from_str(&copy)?;
    let owner = copy.pointer("/metadata/ownerReferences/0/uid").and_then(Value::as_str);
    ensure!(owner == Some(&cluster.uid), "the copy is owned by {owner:?}");
    end_namespaced(sandbox).await
}

/// A kustomization as a person writes it: `deploy/namespaced` for a namespace, with local images.
fn namespaced_for(namespace: &str, more: &[(&str, &str)]) -> Result<std::path::PathBuf> {
    let folder = workspace().join("target/scenarios").join(namespace);
    std::fs::create_dir_all(&folder).context("making the folder of the overlay")?;
    let images = [
        ("INIT_IMAGE", "localhost/etcd-restore-init:dev"),
        ("SIDECAR_IMAGE", "localhost/etcd-backup-sidecar:dev"),
    ];
    let env = images.iter().chain(more).map(|(name, value)| json!({"name": name, "value": value}));
    let env: Vec<Value> = env.collect();
    let patch = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "etcd-operator"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{
            "name": "etcd-operator", "imagePullPolicy": "IfNotPresent",
            "env": env,
        }]}}},
    });
    let kustomization: Value = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "namespace": namespace,
        "resources": ["../../../deploy/namespaced"],
        "images": [
            {"name": "etcd-operator", "newName": "localhost/etcd-operator", "newTag": "dev"},
        ],
        "patches": [{"patch": patch.to_string()}],
    });
    std::fs::write(folder.join("kustomization.yaml"), kustomization.to_string())?;
    Ok(folder)
}

#[tokio::test]
async fn every_replica_answers_probes_and_tells_its_metrics() -> Result<()> {
    Sandbox::run("metrics", async |sandbox| {
        let cluster = sandbox.cluster("counted", json!({"size": 1})).await?;
        cluster.whole(1).await?;
        let leader = operator::leader(&sandbox.client).await?.name_any();
        let pods = operator::pods(&sandbox.client).await?;
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
            let address = format!("{}:8080", ip.context("no address")?);
            for path in ["/healthz", "/readyz"] {
                let (code, body) = tests::scenario::get(&address, path).await?;
                ensure!(code == 200, "{path} answers {code}: {body}");
            }
            let (_, metrics) = tests::scenario::get(&address, "/metrics").await?;
            let leads = i32::from(pod.name_any() == leader);
            let line = format!("etcd_operator_leader {leads}");
            ensure!(metrics.contains(&line), "no `{line}` in {metrics}");
            let counted = format!(
                r#"etcd_operator_cluster_members{{namespace="{}",name="counted"}} 1"#,
                sandbox.namespace()
            );
            ensure!(metrics.contains(&counted) == (leads == 1), "`{counted}` in {metrics}");
        }
        Ok(())
    })
    .await
}
