//! What a spec asks for that is not done is said, not ignored.

use anyhow::{Context, Result, ensure};
use api::condition::{BACKUP_HEALTHY, UNSUPPORTED_FIELD, UNSUPPORTED_VERSION};
use api::v1beta1::{Cluster, Phase};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;
use tests::localkube::workspace;
use tests::scenario::{
    Look, PATIENCE, Sandbox, TestCluster, away_from, open_volume, request, until,
};

/// Of the seed's examples: the cluster, the condition, and words of its message.
const SAID: [(&str, &str, &str); 4] = [
    ("example-etcd-cluster-with-version", UNSUPPORTED_VERSION, "lowest version is 3.5.11"),
    ("example-etcd-cluster-with-tls", UNSUPPORTED_FIELD, "spec.TLS"),
    ("example-self-hosted-etcd-cluster", UNSUPPORTED_FIELD, "spec.selfHosted"),
    ("example-etcd-cluster-with-s3-backup", BACKUP_HEALTHY, "--backup-s3-bucket"),
];

/// Those of them that would run with less safety than asked for.
const NOT_STARTED: [&str; 3] = [SAID[0].0, SAID[1].0, SAID[2].0];

#[tokio::test]
async fn the_manifests_of_2017_apply_and_what_is_not_done_is_said() -> Result<()> {
    Sandbox::run("seed-files", async |sandbox| {
        let folder = workspace().join("deploy/examples/seed");
        let folder = folder.to_str().context("the path of the checkout is not text")?;
        sandbox.kubectl(&["apply", "-f", folder], "").await?;
        open_volume(sandbox, "example-etcd-cluster-with-backup").await?;

        for (name, condition, words) in SAID {
            says(sandbox, name, condition, words).await?;
        }
        let clusters = sandbox.api::<Cluster>();
        for name in NOT_STARTED {
            let status = request(clusters.get(name)).await?.status.unwrap_or_default();
            ensure!(status.phase == Some(Phase::Failed), "{name} is {:?}", status.phase);
            ensure!(!status.served && status.next_member == 0, "{name} was started");
        }
        let pods =
            request(sandbox.api::<k8s_openapi::api::core::v1::Pod>().list(&ListParams::default()))
                .await?;
        let started = |pod: &k8s_openapi::api::core::v1::Pod| {
            let cluster = pod.labels().get(api::labels::CLUSTER).cloned().unwrap_or_default();
            NOT_STARTED.contains(&cluster.as_str())
        };
        ensure!(!pods.iter().any(started), "a pod was started for one of {NOT_STARTED:?}");
        // The last one begins with the first backup of another, which was applied at the same time.
        until("the restored cluster", PATIENCE, async || {
            let cluster = request(clusters.get("example-etcd-cluster-restored")).await?;
            let status = cluster.status.unwrap_or_default();
            let is_back = status.served && status.last_restore.is_some();
            Ok(Look::claim(is_back, || format!("{:?}", status.message)))
        })
        .await
    })
    .await
}

async fn says(sandbox: &Sandbox, name: &str, condition: &str, words: &str) -> Result<()> {
    let clusters = sandbox.api::<Cluster>();
    until(&format!("{name}: {condition}"), PATIENCE, async || {
        let status = request(clusters.get(name)).await?.status.unwrap_or_default();
        let bad = if condition == BACKUP_HEALTHY { "False" } else { "True" };
        let said = status
            .conditions
            .iter()
            .any(|one| one.type_ == condition && one.status == bad && one.message.contains(words));
        Ok(Look::claim(said, || format!("{:?}", status.conditions)))
    })
    .await
}

#[tokio::test]
async fn a_spec_that_is_mended_starts_the_cluster() -> Result<()> {
    Sandbox::run("mend", async |sandbox| {
        let storage = json!({"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        }}});
        let spec = json!({"size": 1, "version": "3.1.4", "storage": storage});
        let cluster: TestCluster = sandbox.cluster("mend", spec).await?;
        let version = cluster.condition(UNSUPPORTED_VERSION).await?;
        ensure!(version.message.contains("write version: 3.6"), "{}", version.message);
        let field = cluster.condition(UNSUPPORTED_FIELD).await?;
        ensure!(field.message.contains("spec.storage"), "{}", field.message);
        cluster.phase(Phase::Failed).await?;

        cluster.change(json!({"version": "3.5.35", "storage": null})).await?;

        let status = cluster.whole(1).await?.status;
        ensure!(status.current_version.as_deref() == Some("3.5.35"), "{status:?}");
        let left: Vec<_> = status.conditions.iter().map(|one| one.type_.as_str()).collect();
        ensure!(!left.contains(&UNSUPPORTED_VERSION), "{left:?}");
        ensure!(!left.contains(&UNSUPPORTED_FIELD), "{left:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_mistake_that_keeps_the_first_member_from_starting_can_be_mended() -> Result<()> {
    Sandbox::run("mistake", async |sandbox| {
        let nowhere = json!({"nodeSelector": {"nobody": "has-it"}});
        let somewhere = json!({"nodeSelector": null, "affinity": away_from("n3")});
        for (name, mistake, mended) in [
            ("version", json!({"version": "3.6.99"}), json!({"version": "3.6.16"})),
            ("repository", json!({"repository": "localhost/etdc"}), json!({"repository": null})),
            ("node", json!({"pod": nowhere}), json!({"pod": somewhere})),
        ] {
            let mut spec = mistake;
            spec["size"] = json!(1);
            let cluster = sandbox.cluster(name, spec).await?;
            cluster
                .until("a pod that is pending", PATIENCE, |status| {
                    let message = status.message.as_deref().unwrap_or_default();
                    message.contains("its pod is pending: ")
                })
                .await?;
            cluster.change(mended).await?;
            let status = cluster.whole(1).await?.status;
            ensure!(status.current_version.as_deref() == Some("3.6.16"), "{name}: {status:?}");
            ensure!(status.conditions.iter().all(|one| one.type_ != UNSUPPORTED_VERSION), "{name}");
            sandbox.say(name);
        }
        Ok(())
    })
    .await
}

/// A pod that waits to join is not a member yet either.
#[tokio::test]
async fn a_placement_that_leaves_a_joiner_no_node_can_be_mended() -> Result<()> {
    Sandbox::run("placement", async |sandbox| {
        let cluster = sandbox.cluster("tight", json!({"size": 1})).await?;
        cluster.whole(1).await?;
        let nowhere = json!({"nodeSelector": {"nobody": "has-it"}});
        cluster.change(json!({"size": 2, "pod": nowhere})).await?;
        cluster
            .until("a pod that is pending", PATIENCE, |status| {
                let message = status.message.as_deref().unwrap_or_default();
                message.contains("waiting for pod tight-0001: ")
            })
            .await?;
        cluster.change(json!({"pod": {"nodeSelector": null}})).await?;
        let names = cluster.whole(2).await?.names();
        ensure!(!names.contains("tight-0001"), "a pod was changed that cannot be: {names:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn members_of_3_5_and_3_7_join_heal_and_leave_too() -> Result<()> {
    Sandbox::run("versions", async |sandbox| {
        for version in ["3.5.35", "3.7.3"] {
            let name = format!("v{}", version.replace('.', "-"));
            let spec = json!({"size": 3, "version": version});
            let cluster = sandbox.cluster(&name, spec).await?;
            let whole = cluster.whole(3).await?;
            let ran = whole.status.member_statuses.iter().map(|row| row.version.as_deref());
            ensure!(ran.clone().all(|ran| ran == Some(version)), "{:?}", ran.collect::<Vec<_>>());
            let killed = whole.follower()?;
            cluster.kill(killed).await?;
            let healed = cluster.whole(3).await?;
            ensure!(!healed.names().contains(&killed.name_any()), "it came back");
            cluster.change(json!({"size": 1})).await?;
            cluster.whole(1).await?;
            cluster.delete().await?;
            sandbox.say(version);
        }
        Ok(())
    })
    .await
}
