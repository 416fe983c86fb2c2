//! What there is: the cluster's object, its pods, the nodes under them, and what etcd says.
//!
//! [`look`] takes the Kubernetes part from the caches or, when something is about to be changed,
//! from the API server itself ([`Freshness`]). etcd is always asked.

mod absence;
mod archive;
mod members;
mod missed;
mod nodes;
mod pods;
mod record;
mod votes;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::labels;
use api::v1beta1::Cluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, ResourceExt};
use planner::name::ClusterName;
use planner::{Archive, Members, Membership, NodeState, Observed, PodState, Source};

pub use absence::Absences;
pub use archive::{archive, reference};
#[cfg(test)]
pub use members::Answer;
pub use members::{EtcdView, host_port};
pub use nodes::{Nodes, state as node_state};

use crate::caches::{Caches, GuardedCluster};
use crate::call::{is_not_found, within};
use crate::error::Error;

/// Where the cluster's object and pods are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The caches, which may lag: enough to see whether anything is to be done.
    Cached,
    /// The API server: what is done is decided on this.
    Fresh,
}

/// One look at one cluster.
pub struct Sight {
    /// Its object.
    pub cluster: Arc<Cluster>,
    /// Its name in the form that member names are made of.
    pub name: ClusterName,
    /// The pods that it owns, by member number.
    pub pods: BTreeMap<u32, Arc<Pod>>,
    /// What etcd said.
    pub etcd: EtcdView,
    /// The same in the form that decisions are made on.
    pub observed: Observed,
    /// What was chosen for `spec.restore`.
    pub chosen: Option<Chosen>,
}

/// The backup that was chosen for `spec.restore`, as far as it is no decision's business.
pub struct Chosen {
    /// Which of which, in words.
    pub told: String,
    /// The highest revision in any backup of the cluster that it is of.
    pub highest: i64,
}

impl Sight {
    /// The membership, if there is an answer that can be this cluster's.
    pub fn members(&self) -> Option<&Members> {
        self.observed.believed().ok()
    }

    /// How many voters there are, or were when that was read last.
    pub fn voters(&self) -> usize {
        let recorded =
            || self.observed.record.members.values().filter(|member| member.voter).count();
        let listed = |it: &Members| it.members.iter().filter(|member| !member.learner).count();
        self.members().map_or_else(recorded, listed)
    }

    /// Whether a member is without a pod, as far as this look goes.
    pub fn misses_a_pod(&self) -> bool {
        let listed = self.members().map(Members::numbers).unwrap_or_default();
        let mut all = self.observed.record.members.keys().chain(&listed);
        all.any(|number| !self.pods.contains_key(number))
    }

    /// Tells apart the pods that are waited for in vain, since a pod would not be made like that now.
    pub fn compare(&mut self, template: &str) {
        for (number, pod) in &self.pods {
            if let Some(seen) = self.observed.pods.get_mut(number)
                && pods::is_outdated(pod, template)
            {
                seen.state = PodState::Outdated;
            }
        }
    }
}

/// Looks at one cluster; `None` when it is gone or about to be.
pub async fn look(
    client: &Client,
    caches: &Caches,
    key: &ObjectRef<GuardedCluster>,
    freshness: Freshness,
) -> Result<Option<Sight>, Error> {
    let Some(cluster) = cluster(client, caches, key, freshness).await? else { return Ok(None) };
    let name = ClusterName {
        namespace: cluster.namespace().unwrap_or_default(),
        name: cluster.name_any(),
    };
    let (pods, etcd) = members_of(client, caches, &cluster, &name, freshness).await?;
    let nodes = nodes(client, caches, &cluster, &pods, freshness).await?;
    let mut observed = observed(caches, &cluster, &name, &pods, &nodes, &etcd);
    votes::enter(&mut observed.record, &etcd, record::cluster_id(&cluster), &name).await;
    Ok(Some(Sight { cluster, name, pods, etcd, observed, chosen: None }))
}

async fn cluster(
    client: &Client,
    caches: &Caches,
    key: &ObjectRef<GuardedCluster>,
    freshness: Freshness,
) -> Result<Option<Arc<Cluster>>, Error> {
    let cluster = match freshness {
        Freshness::Cached => {
            caches.clusters.get(key).and_then(|guarded| guarded.0.clone().ok()).map(Arc::new)
        }
        Freshness::Fresh => {
            let api: Api<Cluster> =
                Api::namespaced(client.clone(), key.namespace.as_deref().unwrap_or_default());
            match within("reading the cluster", api.get(&key.name)).await {
                Ok(cluster) => Some(Arc::new(cluster)),
                Err(error) if is_not_found(&error) => None,
                Err(error) => return Err(error),
            }
        }
    };
    Ok(cluster.filter(|cluster| cluster.metadata.deletion_timestamp.is_none()))
}

/// The pods and what etcd says. Before something is done, whoever is missed is asked for by name.
async fn members_of(
    client: &Client,
    caches: &Caches,
    cluster: &Cluster,
    name: &ClusterName,
    freshness: Freshness,
) -> Result<(BTreeMap<u32, Arc<Pod>>, EtcdView), Error> {
    let (uid, known) = (cluster.uid().unwrap_or_default(), record::cluster_id(cluster));
    let mut pods = owned_pods(client, caches, cluster, name, freshness).await?;
    if freshness == Freshness::Cached {
        let etcd = EtcdView::ask(&pods, name, known).await;
        return Ok((pods, etcd));
    }
    missed::find(client, name, &uid, record::numbers(cluster, name), &mut pods).await?;
    let mut etcd = EtcdView::ask(&pods, name, known).await;
    if let Membership::Known(members) = etcd.membership(name)
        && missed::find(client, name, &uid, members.numbers(), &mut pods).await?
    {
        etcd = EtcdView::ask(&pods, name, known).await;
    }
    Ok((pods, etcd))
}

async fn owned_pods(
    client: &Client,
    caches: &Caches,
    cluster: &Cluster,
    name: &ClusterName,
    freshness: Freshness,
) -> Result<BTreeMap<u32, Arc<Pod>>, Error> {
    let uid = cluster.uid().unwrap_or_default();
    let candidates = match freshness {
        Freshness::Cached => caches
            .pods
            .state_filter(|pod| pod.namespace().as_deref() == Some(name.namespace.as_str())),
        Freshness::Fresh => {
            let api: Api<Pod> = Api::namespaced(client.clone(), &name.namespace);
            let ours = ListParams::default().labels(&format!(
                "{}={},{}={}",
                labels::APP,
                labels::APP_ETCD,
                labels::CLUSTER,
                name.name
            ));
            let pods = within("listing the pods", api.list(&ours)).await?;
            pods.items.into_iter().map(Arc::new).collect()
        }
    };
    let numbered = |pod: Arc<Pod>| name.number(&pod.name_any()).map(|number| (number, pod));
    Ok(candidates
        .into_iter()
        .filter(|pod| is_owned(&pod.metadata, &uid))
        .filter_map(numbered)
        .collect())
}

/// Whether an object belongs to the cluster with this UID. Name and labels alone say nothing: a
/// cluster of the same name may have been there before.
pub fn is_owned(
    meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    uid: &str,
) -> bool {
    meta.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

/// The nodes as the caches know them. Before something is done, those that matter are read anew: a
/// watch that lags says of a node that is away that it is ready.
async fn nodes(
    client: &Client,
    caches: &Caches,
    cluster: &Cluster,
    pods: &BTreeMap<u32, Arc<Pod>>,
    freshness: Freshness,
) -> Result<Nodes, Error> {
    let mut nodes = Nodes::cached(caches);
    if freshness == Freshness::Fresh {
        let of_pods = pods.values().filter_map(|pod| pod.spec.as_ref()?.node_name.clone());
        let of_record = record::nodes(cluster);
        nodes.confirm(client, of_pods.chain(of_record)).await?;
    }
    Ok(nodes)
}

fn observed(
    caches: &Caches,
    cluster: &Cluster,
    name: &ClusterName,
    pods: &BTreeMap<u32, Arc<Pod>>,
    nodes: &Nodes,
    etcd: &EtcdView,
) -> Observed {
    let published = pods::published(caches, name);
    let read = |(&number, pod): (&u32, &Arc<Pod>)| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let node = node.map_or(NodeState::Ready, |node| nodes.state(node));
        let is_published = pod.uid().is_some_and(|uid| published.contains(&uid));
        let mut pod = pods::read(pod, name, node, is_published);
        if etcd.is_corrupt(number) && matches!(pod.state, PodState::Running { .. }) {
            pod.state = PodState::Corrupt;
        }
        if let PodState::Running { ready, .. } = pod.state
            && etcd.asks_for_user(number)
        {
            pod.state = PodState::Locked { ready };
        }
        (number, pod)
    };
    let pods = pods.iter().map(read).collect();
    let record = record::read(cluster, name, nodes);
    Observed {
        record,
        pods,
        membership: etcd.membership(name),
        stranded: etcd.stranded(record::cluster_id(cluster)),
        archive: Archive::Unknown("it was not asked".into()),
        source: Source::None,
    }
}
