//! What is watched. Each kind is watched once: the watch fills a cache, and the same events
//! trigger reconciles.
//!
//! ```text
//! watch ──> cache (read by observe)
//!      └──> trigger ──> controller
//! ```
//!
//! Caches may lag. They decide whether there is something to do; before anything is done, the
//! cluster and its pods are read again from the API server ([`crate::observe`]).

use api::labels;
use api::v1beta1::{Backup, Cluster};
use futures::{Stream, StreamExt, future};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};

/// A `Cluster` that may be malformed: one that cannot be read must not stop the watch of all.
pub type GuardedCluster = DeserializeGuard<Cluster>;

/// A `Backup` that may be malformed.
pub type GuardedBackup = DeserializeGuard<Backup>;

/// What the watches have seen.
#[derive(Clone)]
pub struct Caches {
    /// All clusters in scope.
    pub clusters: Store<GuardedCluster>,
    /// Pods labelled as etcd members.
    pub pods: Store<Pod>,
    /// Services labelled as an etcd cluster's.
    pub services: Store<Service>,
    /// Disruption budgets labelled as an etcd cluster's.
    pub budgets: Store<PodDisruptionBudget>,
    /// Addresses of the services.
    pub slices: Store<EndpointSlice>,
    /// Backups in scope, recorded and asked for.
    pub backups: Store<GuardedBackup>,
    /// Deployments of backup sidecars.
    pub deployments: Store<Deployment>,
    /// Configurations of backup sidecars.
    pub config_maps: Store<ConfigMap>,
    /// Claims of backup volumes.
    pub claims: Store<PersistentVolumeClaim>,
    /// Nodes; none when the operator has rights in one namespace only.
    pub nodes: Option<Store<Node>>,
}

/// A stream of changed objects, for the controller.
pub type Trigger<K> =
    std::pin::Pin<Box<dyn Stream<Item = Result<K, watcher::Error>> + Send + 'static>>;

/// The triggers that belong to [`Caches`].
pub struct Triggers {
    /// Changed clusters.
    pub clusters: Trigger<GuardedCluster>,
    /// Changed pods.
    pub pods: Trigger<Pod>,
    /// Changed services.
    pub services: Trigger<Service>,
    /// Changed disruption budgets.
    pub budgets: Trigger<PodDisruptionBudget>,
    /// Changed addresses.
    pub slices: Trigger<EndpointSlice>,
    /// Changed backups.
    pub backups: Trigger<GuardedBackup>,
    /// Changed Deployments.
    pub deployments: Trigger<Deployment>,
    /// Changed configurations.
    pub config_maps: Trigger<ConfigMap>,
    /// Changed claims.
    pub claims: Trigger<PersistentVolumeClaim>,
    /// Changed nodes.
    pub nodes: Option<Trigger<Node>>,
}

impl Caches {
    /// Whether there is a cluster to look after: one that can be read and is not on its way out.
    pub fn hold_clusters(&self) -> bool {
        let is_work = |guarded: &GuardedCluster| {
            let cluster = guarded.0.as_ref();
            cluster.is_ok_and(|cluster| cluster.metadata.deletion_timestamp.is_none())
        };
        self.clusters.state().iter().any(|guarded| is_work(guarded))
    }

    /// Prepares the watches. They run while their triggers are polled.
    pub fn watch(
        client: &Client,
        namespace: Option<&str>,
        watches_nodes: bool,
    ) -> (Self, Triggers) {
        let all = watcher::Config::default();
        let ours =
            watcher::Config::default().labels(&format!("{}={}", labels::APP, labels::APP_ETCD));
        let (clusters, on_clusters) = watch(scoped(client, namespace), all.clone(), |_| ());
        let (pods, on_pods) = watch(scoped(client, namespace), ours.clone(), |_| ());
        let (services, on_services) = watch(scoped(client, namespace), ours.clone(), |_| ());
        let (budgets, on_budgets) = watch(scoped(client, namespace), ours.clone(), |_| ());
        // The endpoint slice controller copies a service's labels to its slices.
        let (slices, on_slices) = watch(scoped(client, namespace), ours.clone(), |_| ());
        let (backups, on_backups) = watch(scoped(client, namespace), all.clone(), |_| ());
        let (deployments, on_deployments) = watch(scoped(client, namespace), ours.clone(), |_| ());
        let (config_maps, on_config_maps) = watch(scoped(client, namespace), ours.clone(), |_| ());
        let (claims, on_claims) = watch(scoped(client, namespace), ours, |_| ());
        let nodes = watches_nodes.then(|| watch(Api::all(client.clone()), all, prune_node));
        let (nodes, on_nodes) = nodes.unzip();
        let caches = Self {
            clusters,
            pods,
            services,
            budgets,
            slices,
            backups,
            deployments,
            config_maps,
            claims,
            nodes,
        };
        let triggers = Triggers {
            clusters: on_clusters,
            pods: on_pods,
            services: on_services,
            budgets: on_budgets,
            slices: on_slices,
            backups: on_backups,
            deployments: on_deployments,
            config_maps: on_config_maps,
            claims: on_claims,
            nodes: on_nodes,
        };
        (caches, triggers)
    }

    /// Returns once every cache holds what was there at the start. For one caller: of several that
    /// wait, kube wakes the last one alone (`DelayedInit` keeps one waker).
    pub async fn ready(&self) {
        let nodes = async {
            match &self.nodes {
                Some(nodes) => nodes.wait_until_ready().await.is_ok(),
                None => true,
            }
        };
        // A dropped writer means that the controller ended, and with it the process.
        let (..) = tokio::join!(
            self.clusters.wait_until_ready(),
            self.pods.wait_until_ready(),
            self.services.wait_until_ready(),
            self.budgets.wait_until_ready(),
            self.slices.wait_until_ready(),
            self.backups.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.config_maps.wait_until_ready(),
            self.claims.wait_until_ready(),
            nodes,
        );
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A node lists up to fifty images, most of its size; only its conditions and taints are read.
fn prune_node(node: &mut Node) {
    if let Some(status) = &mut node.status {
        status.images = None;
    }
}

fn watch<K>(api: Api<K>, config: watcher::Config, prune: fn(&mut K)) -> (Store<K>, Trigger<K>)
where
    K: Resource<DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let (store, writer) = reflector::store();
    let stream = watcher(api, config)
        .default_backoff()
        // Half of an object's size, and nothing here reads it.
        .modify(move |object| {
            object.managed_fields_mut().clear();
            prune(object);
        })
        .reflect(writer)
        .touched_objects()
        .inspect(|event| {
            if let Err(error) = event {
                tracing::warn!(kind = %K::kind(&()), %error, "a watch failed and is started again");
            }
        })
        // A failed watch is retried by the back-off above; it is nothing to reconcile.
        .filter(|event| future::ready(event.is_ok()));
    (store, stream.boxed())
}
