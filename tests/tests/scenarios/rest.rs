//! A cluster at rest: nothing is written, and every Event tells something new.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api::v1beta1::{Backup, Cluster};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tests::scenario::{Changes, Place, Sandbox, holds_for, open_volume, operator, request};

use crate::backups::backups;

/// Long enough for two looks at a cluster at rest.
const REST: Duration = Duration::from_secs(40);

#[tokio::test]
async fn at_rest_the_operator_writes_nothing() -> Result<()> {
    Sandbox::run("rest", async |sandbox| {
        let changes = Changes::counted(sandbox).await?;
        // Its sidecar has nothing to do either, for an hour.
        let backup = Place::Volume.policy(&json!({"backupIntervalInSecond": 3600}));
        let cluster = sandbox.cluster("rest", json!({"size": 3, "backup": backup})).await?;
        open_volume(sandbox, "rest").await?;
        cluster.whole(3).await?;
        backups(&cluster, "the first backup", |told| told.backups == 1).await?;
        // The last Events of the creation may still be on their way.
        let before = settled(sandbox).await?;
        let asked = changes.count().await?;
        ensure!(asked > 10, "only {asked} changes were counted while three members were made");
        holds_for("everything as it was", REST, async || {
            let now = written(sandbox).await?;
            ensure!(now == before, "it was {before:?} and is {now:?}");
            let more = changes.count().await? - asked;
            ensure!(more == 0, "{more} changes were asked for that changed nothing");
            Ok(())
        })
        .await?;
        operator::leader(&sandbox.client).await?;
        ensure!(before.len() >= 16, "only {} objects were looked at", before.len());
        Ok(())
    })
    .await
}

/// What is written once it does not change for three seconds.
pub(crate) async fn settled(sandbox: &Sandbox) -> Result<BTreeMap<String, String>> {
    loop {
        ensure!(sandbox.age() < tests::scenario::PATIENCE * 2, "it does not come to rest");
        let before = written(sandbox).await?;
        let unchanged = holds_for("rest", Duration::from_secs(3), async || {
            ensure!(written(sandbox).await? == before, "a change");
            Ok(())
        });
        if unchanged.await.is_ok() {
            return Ok(before);
        }
    }
}

/// What the operator has written, in a form that differs after each write: whole objects where nobody
/// else writes, and what its field manager owns where others do.
pub(crate) async fn written(sandbox: &Sandbox) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    all.extend(versions::<Cluster>(sandbox).await?);
    all.extend(versions::<Service>(sandbox).await?);
    all.extend(versions::<Event>(sandbox).await?.into_iter().filter(|(n, _)| n.contains("rest.")));
    all.extend(managed::<PodDisruptionBudget>(sandbox).await?);
    all.extend(managed::<Pod>(sandbox).await?);
    all.extend(managed::<Deployment>(sandbox).await?);
    all.extend(managed::<PersistentVolumeClaim>(sandbox).await?);
    all.extend(versions::<ConfigMap>(sandbox).await?);
    all.extend(versions::<Secret>(sandbox).await?);
    all.extend(versions::<Backup>(sandbox).await?);
    Ok(all)
}

async fn versions<K>(sandbox: &Sandbox) -> Result<Vec<(String, String)>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let list = request(sandbox.api::<K>().list(&ListParams::default())).await?;
    let version = |object: &K| object.resource_version().context("an object has no version");
    list.iter().map(|one| Ok((key(one), version(one)?))).collect()
}

async fn managed<K>(sandbox: &Sandbox) -> Result<Vec<(String, String)>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let list = request(sandbox.api::<K>().list(&ListParams::default())).await?;
    let ours = |object: &K| {
        let all = object.managed_fields().iter();
        let ours = all.filter(|one| one.manager.as_deref() == Some(api::FIELD_MANAGER));
        serde_json::to_string(&ours.collect::<Vec<_>>())
    };
    list.iter().map(|one| Ok((key(one), ours(one)?))).collect()
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> String {
    format!("{} {}", K::kind(&()), object.name_any())
}

#[tokio::test]
async fn every_event_tells_something_new() -> Result<()> {
    Sandbox::run("events", async |sandbox| {
        let cluster = sandbox.cluster("news", json!({"size": 3})).await?;
        let whole = cluster.whole(3).await?;
        cluster.kill(whole.follower()?).await?;
        cluster.whole(3).await?;

        let told = settled_events(sandbox).await?;
        let notes: BTreeSet<&String> = told.iter().map(|(_, note)| note).collect();
        // Running and Healing may come again when readiness wavers on a busy machine.
        let repeated = told.len() - notes.len();
        ensure!(repeated <= 2, "{repeated} notes were repeated: {told:#?}");
        for reason in ["PodCreated", "LearnerAdded", "MemberPromoted", "MemberRemoved", "Running"] {
            ensure!(told.iter().any(|(word, _)| word == reason), "no {reason} among {told:#?}");
        }
        Ok(())
    })
    .await
}

/// Reason and note of the cluster's Events, once for each time that they were told.
async fn settled_events(sandbox: &Sandbox) -> Result<Vec<(String, String)>> {
    settled(sandbox).await?;
    let events = request(sandbox.api::<Event>().list(&ListParams::default())).await?;
    let of_cluster = |event: &&Event| {
        event.regarding.as_ref().is_some_and(|object| object.kind.as_deref() == Some("Cluster"))
    };
    let mut told = Vec::new();
    for event in events.iter().filter(of_cluster) {
        let times = event.series.as_ref().map_or(1, |series| series.count);
        for _ in 0..times {
            told.push((
                event.reason.clone().unwrap_or_default(),
                event.note.clone().unwrap_or_default(),
            ));
        }
    }
    Ok(told)
}
