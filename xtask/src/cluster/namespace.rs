//! A namespace of one's own, and the clusters in it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use api::v1beta1::{Backup, BackupPhase, CLUSTER_KIND, Cluster, GROUP, VERSION};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace as Object, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::wait::{await_condition, conditions::is_deleted};
use kube::runtime::watcher::watch_object;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::within;

/// Only a namespace with this label is ever deleted.
const OURS: &str = "etcd.coreos.com/made-by";
const MANAGER: &str = "etcd-operator-xtask";
/// Members end within seconds, unless their node is away.
const REMOVAL: Duration = Duration::from_mins(4);

/// A namespace that this run made.
#[derive(Clone)]
pub(crate) struct Namespace {
    client: Client,
    name: String,
}

impl Namespace {
    /// Makes it, after removing one that a killed run left.
    pub(crate) async fn create(client: &Client, name: &str) -> Result<Self> {
        let all: Api<Object> = Api::all(client.clone());
        Self::existing(client, name).delete().await?;
        let metadata = json!({"name": name, "labels": {OURS: MANAGER}});
        let new: Object = serde_json::from_value(json!({ "metadata": metadata }))?;
        within("creating a namespace", all.create(&PostParams::default(), &new)).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
        // Before it exists, Kubernetes refuses pods.
        let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| {
            account.is_some()
        });
        within("waiting for the namespace's service account", there).await?;
        Ok(Self::existing(client, name))
    }

    /// One that this program made earlier, or that is not there.
    pub(crate) fn existing(client: &Client, name: &str) -> Self {
        Self { client: client.clone(), name: name.to_owned() }
    }

    /// Its objects of one kind.
    pub(crate) fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Asks for a cluster of this size; a cluster that is there is resized.
    pub(crate) async fn apply(&self, cluster: &str, size: i32) -> Result<()> {
        self.apply_spec(cluster, &json!({"size": size})).await
    }

    /// The same with any spec. What an earlier one had and this has not is given up.
    pub(crate) async fn apply_spec(&self, cluster: &str, spec: &Value) -> Result<()> {
        let wanted = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": CLUSTER_KIND,
            "metadata": {"name": cluster},
            "spec": spec,
        });
        let params = PatchParams::apply(MANAGER).force();
        let clusters: Api<Cluster> = self.all();
        within("applying the cluster", clusters.patch(cluster, &params, &Patch::Apply(&wanted)))
            .await?;
        Ok(())
    }

    /// Follows a cluster until `is_so`; hands each message that is new since then to `told`.
    pub(crate) async fn until(
        &self,
        cluster: &str,
        limit: Duration,
        mut told: impl FnMut(&str),
        is_so: impl Fn(&Cluster) -> bool,
    ) -> Result<Cluster> {
        let mut last: Option<String> = None;
        let following = async {
            let mut seen = watch_object(self.all::<Cluster>(), cluster).default_backoff().boxed();
            while let Some(there) = seen.next().await {
                // A watch that broke is started again by the back-off.
                let Ok(Some(there)) = there else { continue };
                let status = there.status.as_ref();
                let message = status.and_then(|status| status.message.clone()).unwrap_or_default();
                if last.as_ref().is_some_and(|last| *last != message) {
                    told(&message);
                }
                last = Some(message);
                if is_so(&there) {
                    return Ok(there);
                }
            }
            bail!("the watch of the cluster ended")
        };
        let outcome = tokio::time::timeout(limit, following).await;
        outcome.with_context(|| {
            let last = last.filter(|last| !last.is_empty());
            let last = last.unwrap_or_else(|| "none; does an operator work?".to_owned());
            format!("cluster {cluster} is not as expected after {limit:?}; its message: {last}")
        })?
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The pods of a cluster's members.
    pub(crate) async fn member_pods(&self, cluster: &str) -> Result<Vec<Pod>> {
        let selector = format!("{}={cluster}", api::labels::CLUSTER);
        let params = ListParams::default().labels(&selector);
        let pods: Api<Pod> = self.all();
        Ok(within("listing the members' pods", pods.list(&params)).await?.items)
    }

    /// Has one backup of a cluster taken.
    pub(crate) async fn back_up(&self, cluster: &str, name: &str) -> Result<()> {
        let wanted = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "Backup",
            "metadata": {"name": name},
            "spec": {"clusterName": cluster},
        });
        let (all, new): (Api<Backup>, _) = (self.all(), serde_json::from_value(wanted)?);
        within("asking for a backup", all.create(&PostParams::default(), &new)).await.map(drop)
    }

    /// The backups of a cluster that are stored.
    pub(crate) async fn stored(&self, cluster: &str) -> Result<Vec<Backup>> {
        let all: Api<Backup> = self.all();
        let listed = within("listing backups", all.list(&ListParams::default())).await?;
        let is_stored = |backup: &Backup| {
            let phase = backup.status.as_ref().and_then(|status| status.phase);
            backup.spec.cluster_name == cluster && phase == Some(BackupPhase::Stored)
        };
        Ok(listed.items.into_iter().filter(is_stored).collect())
    }

    /// Deletes the clusters in it, and waits until they are gone: each takes a last backup, for which
    /// everything else in the namespace has to be there.
    pub(crate) async fn delete_clusters(&self) -> Result<usize> {
        let all: Api<Cluster> = self.all();
        let there = within("listing clusters", all.list(&ListParams::default())).await?.items;
        for cluster in &there {
            let now = DeleteParams::background();
            within("deleting a cluster", all.delete(&cluster.name_any(), &now)).await?;
        }
        for cluster in &there {
            let (name, uid) = (cluster.name_any(), cluster.uid().unwrap_or_default());
            let gone = await_condition(all.clone(), &name, is_deleted(&uid));
            let waited = tokio::time::timeout(REMOVAL, gone).await;
            waited.with_context(|| format!("cluster {name} is not gone after {REMOVAL:?}"))??;
        }
        Ok(there.len())
    }

    /// Deletes it with everything in it, and waits until it is gone.
    pub(crate) async fn delete(self) -> Result<()> {
        let all: Api<Object> = Api::all(self.client.clone());
        let Some(there) = within("reading a namespace", all.get_opt(&self.name)).await? else {
            return Ok(());
        };
        if there.labels().get(OURS).map(String::as_str) != Some(MANAGER) {
            bail!("the namespace {} was made by somebody else; delete it by hand", self.name);
        }
        let now = DeleteParams::default();
        within("deleting the namespace", all.delete(&self.name, &now)).await?;
        let uid = there.uid().unwrap_or_default();
        let gone = await_condition(all, &self.name, is_deleted(&uid));
        let waited = tokio::time::timeout(REMOVAL, gone).await;
        waited.with_context(|| {
            format!("namespace {} is not gone after {REMOVAL:?}; see what is left in it", self.name)
        })??;
        Ok(())
    }
}
