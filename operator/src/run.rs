//! The process: probes, election, then the controller until it shall stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::v1beta1::{Backup, Cluster};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, controller};
use kube::{Api, Client, Resource, ResourceExt};
use planner::NodeState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::backup::{self, Links};
use crate::caches::{Caches, GuardedCluster, Triggers};
use crate::clock;
use crate::config::Config;
use crate::controller::{Context, on_error, reconcile, tidy};
use crate::heartbeat;
use crate::http::{self, Readiness};
use crate::lease::Election;
use crate::metrics::Metrics;
use crate::observe::{Absences, node_state};
use crate::pace::Pace;
use crate::rival::Rivals;
use crate::watchdog::Watchdog;

/// Reconciles under way get this long to end after a signal.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the CRD is asked for before the next try.
const CRD_PAUSE: Duration = Duration::from_secs(2);

/// Runs until a signal (then `Ok`) or until something fails that a restart may mend.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut registry = telemetry::Metrics::new("etcd_operator", env!("CARGO_PKG_VERSION"));
    let metrics = Metrics::register(registry.registry());
    let ready = Readiness::default();
    let server = http::serve(config.listen, ready.clone(), Arc::new(registry));
    let stop = stop_on_signal()?;
    tokio::select! {
        ended = server => ended,
        worked = Box::pin(work(&config, metrics, &ready, &stop)) => worked,
    }
}

/// A token that SIGTERM and SIGINT cancel.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    // Ends with the process; should it die, the guard stops everything.
    drop(tokio::spawn(async move {
        let _guard = guard;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    }));
    Ok(stop)
}

/// Stands for election and works while elected.
async fn work(
    config: &Config,
    metrics: Metrics,
    ready: &Readiness,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let prepare = async {
        let client = client().await?;
        crds_are_there(&client, config.namespace.as_deref()).await;
        let election = Election::enter(&client, config).await?;
        anyhow::Ok((client, election))
    };
    let Some(prepared) = stop.run_until_cancelled(prepare).await else { return Ok(()) };
    let (client, mut election) = prepared?;
    ready.set(true);
    let outcome = tokio::select! {
        outcome = serve(&client, config, metrics, ready, &mut election, stop) => outcome,
        never = heartbeat::listen(&client, ready) => match never {},
    };
    election.leave().await;
    outcome
}

/// Waits for the Lease, then works until it is lost or the process shall stop.
async fn serve(
    client: &Client,
    config: &Config,
    metrics: Metrics,
    ready: &Readiness,
    election: &mut Election,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(replica = config.pod_name, "waiting for the lease");
    match stop.run_until_cancelled(election.won()).await {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(())) => {
            tracing::info!(replica = config.pod_name, "holding the lease");
            metrics.leads(true);
            Box::pin(lead(client.clone(), config, metrics, ready, election, stop)).await
        }
    }
}

/// Runs the controller until the lease is lost or the process shall stop.
async fn lead(
    client: Client,
    config: &Config,
    metrics: Metrics,
    ready: &Readiness,
    election: &mut Election,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (caches, mut triggers) =
        Caches::watch(&client, config.namespace.as_deref(), config.watches_nodes);
    let (links, news) = Links::new();
    let backups = std::mem::replace(&mut triggers.backups, stream::empty().boxed());
    let filled = CancellationToken::new();
    let context = Arc::new(Context {
        announcer: Announcer::new(&client, &config.pod_name),
        client,
        caches: caches.clone(),
        filled: filled.clone(),
        init_image: config.init_image.clone(),
        backup: backup::Room::new(config.backup.clone(), links),
        started: clock::now(),
        metrics,
        pace: Pace::default(),
        absences: Absences::default(),
        watchdog: Watchdog::new(),
        rivals: Rivals::new(config.namespace.as_deref(), &config.lease_namespace),
    });
    let (watched, tidied) = (Arc::clone(&context), Arc::clone(&context));
    ready.set(false);
    let end = CancellationToken::new();
    let clusters = clusters(&caches, triggers, news)
        .graceful_shutdown_on(end.clone().cancelled_owned())
        .run(reconcile, on_error, Arc::clone(&context))
        .for_each(move |outcome| {
            // Nobody looks at a cluster that is gone; what is known of it goes with it.
            if matches!(outcome, Err(controller::Error::ObjectNotFound(_))) {
                tidy(&tidied);
            }
            std::future::ready(())
        });
    let backups = Controller::for_stream(backups, caches.backups.clone())
        .graceful_shutdown_on(end.clone().cancelled_owned())
        .run(backup::reconcile, backup::on_error, context)
        .for_each(|_| std::future::ready(()));
    // Should one end by itself, the other ends too, and the process with them.
    let and_the_other = async |controller: BoxFuture<'static, ()>| {
        controller.await;
        end.cancel();
    };
    let controller =
        async { tokio::join!(and_the_other(clusters.boxed()), and_the_other(backups.boxed())) };
    tokio::pin!(controller);
    let fill = async {
        caches.ready().await;
        filled.cancel();
        ready.set(true);
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        _ = &mut controller => bail!("the controller ended by itself"),
        () = fill => Ok(()),
        () = stop.cancelled() => Ok(()),
        () = watched.watchdog.barks(|| caches.hold_clusters()) => {
            bail!("no look at a cluster has ended for minutes; this replica ends and starts anew");
        }
        lost = election.lost() => {
            lost?;
            // Another replica may be at work already: end at once, finish nothing.
            bail!("the lease was lost; this replica ends and starts anew");
        }
    };
    end.cancel();
    if tokio::time::timeout(DRAIN, controller).await.is_err() {
        tracing::warn!("a reconcile did not end in time and is dropped; the next one goes on");
    }
    outcome
}

fn clusters(
    caches: &Caches,
    triggers: Triggers,
    mut news: mpsc::Receiver<backup::Key>,
) -> Controller<GuardedCluster> {
    let pods = caches.pods.clone();
    let slices = |slice: EndpointSlice| cluster_by_label(&slice);
    let claims = |claim: PersistentVolumeClaim| cluster_by_label(&claim);
    let controller = Controller::for_stream(triggers.clusters, caches.clusters.clone())
        .owns_stream(triggers.pods)
        .owns_stream(triggers.services)
        .owns_stream(triggers.budgets)
        .owns_stream(triggers.deployments)
        .owns_stream(triggers.config_maps)
        .watches_stream(triggers.slices, slices)
        .watches_stream(triggers.claims, claims)
        .reconcile_on(stream::poll_fn(move |context| news.poll_recv(context)));
    match triggers.nodes {
        Some(nodes) => {
            let (seen, there) = (Mutex::new(HashMap::new()), caches.nodes.clone());
            controller.watches_stream(nodes, move |node| {
                // One that is deleted comes as it was last.
                let is_there = there
                    .as_ref()
                    .is_some_and(|nodes| nodes.get(&ObjectRef::new(&node.name_any())).is_some());
                let state = if is_there { node_state(&node) } else { NodeState::Gone };
                clusters_on(&node.name_any(), &state, &pods, &seen)
            })
        }
        None => controller,
    }
}

/// The cluster that an object names by its label: it has another owner, or none.
fn cluster_by_label(object: &impl Resource) -> Option<ObjectRef<GuardedCluster>> {
    let cluster = object.labels().get(api::labels::CLUSTER)?;
    Some(ObjectRef::new(cluster).within(&object.namespace()?))
}

/// The clusters with a pod on a node whose state changed. Nodes report every few seconds, and
/// most of it is no news.
fn clusters_on(
    name: &str,
    state: &NodeState,
    pods: &Store<Pod>,
    seen: &Mutex<HashMap<String, NodeState>>,
) -> Vec<ObjectRef<GuardedCluster>> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let before = match state {
        NodeState::Gone => seen.remove(name),
        _ => seen.insert(name.to_owned(), state.clone()),
    };
    if before.as_ref() == Some(state) {
        return Vec::new();
    }
    let runs_there =
        |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(name);
    let cluster = |pod: Arc<Pod>| {
        let cluster = pod.labels().get(api::labels::CLUSTER)?.clone();
        Some(ObjectRef::new(&cluster).within(&pod.namespace()?))
    };
    pods.state_filter(runs_there).into_iter().filter_map(cluster).collect()
}

async fn client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("no Kubernetes: neither a service account nor a kubeconfig was found")?;
    // Retries hidden below us would outlive the time limit of a call and hide what is wrong.
    // Calls are limited in `call`; kube's watcher ends a watch that has gone silent.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).context("the Kubernetes client cannot be made")
}

/// Waits until clusters and backups can be listed. Without the definitions there is nothing to do but
/// to say so.
async fn crds_are_there(client: &Client, namespace: Option<&str>) {
    crd_is_there::<Cluster>(client, namespace).await;
    crd_is_there::<Backup>(client, namespace).await;
}

async fn crd_is_there<K>(client: &Client, namespace: Option<&str>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    loop {
        let one = ListParams::default().limit(1);
        match tokio::time::timeout(CRD_PAUSE, api.list(&one)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                let kind = K::plural(&());
                tracing::warn!(%error, "{kind} cannot be listed; apply deploy/crds and the RBAC");
            }
            Err(_) => tracing::warn!("the Kubernetes API does not answer"),
        }
        tokio::time::sleep(CRD_PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
