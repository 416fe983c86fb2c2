//! One cluster under test: its object, its pods, its etcd.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api::v1beta1::{Cluster, ClusterStatus, Phase, Role};
use etcd::{Endpoint, MemberClient, MemberList, Timeouts};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{Look, MANAGER, PATIENCE, Writer, is_ready, node_of, request, until};
use crate::localkube::{LocalKube, ProcessFault};

/// The container of etcd in a member's pod.
const ETCD: &str = "etcd";

/// A rule that keeps pods off one node.
pub fn away_from(node: &str) -> Value {
    let expression =
        json!({"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [expression]}]
    }}})
}

/// A cluster. Cheap to clone.
#[derive(Clone)]
pub struct TestCluster {
    api: Api<Cluster>,
    pods: Api<Pod>,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// A cluster as it should be: object, pods and etcd say the same.
pub struct Whole {
    /// Its status.
    pub status: ClusterStatus,
    /// etcd's members: all of them voters, each with a pod.
    pub list: MemberList,
    /// Their pods, all ready, by name.
    pub pods: Vec<Pod>,
}

impl Whole {
    /// Names of the members.
    pub fn names(&self) -> BTreeSet<String> {
        self.list.members.iter().map(|member| member.name.clone()).collect()
    }

    /// The pod of the member that leads.
    pub fn leader(&self) -> Result<&Pod> {
        self.of_role(Role::Leader)
    }

    /// The pod of the follower with the lowest number.
    pub fn follower(&self) -> Result<&Pod> {
        self.of_role(Role::Follower)
    }

    fn of_role(&self, role: Role) -> Result<&Pod> {
        let row = self.status.member_statuses.iter().find(|row| row.role == role);
        let name = &row.with_context(|| format!("the status names no {role:?}"))?.name;
        let pod = self.pods.iter().find(|pod| pod.name_any() == *name);
        pod.with_context(|| format!("{name} has no pod"))
    }
}

impl TestCluster {
    /// Applies a cluster of this spec.
    pub(super) async fn apply(
        client: Client,
        api: Api<Cluster>,
        namespace: &str,
        name: &str,
        spec: &Value,
    ) -> Result<Self> {
        let object = json!({
            "apiVersion": "etcd.coreos.com/v1beta1",
            "kind": "Cluster",
            "metadata": {"name": name},
            "spec": spec,
        });
        let params = PatchParams::apply(MANAGER).force().validation_strict();
        let made = request(api.patch(name, &params, &Patch::Apply(object))).await?;
        let uid = made.uid().context("the API server gave no UID")?;
        Ok(Self { pods: Api::namespaced(client, namespace), api, name: name.to_owned(), uid })
    }

    /// Its object now.
    pub async fn get(&self) -> Result<Cluster> {
        let cluster = request(self.api.get(&self.name)).await?;
        ensure!(cluster.uid().as_deref() == Some(&self.uid), "it is another one of its name");
        Ok(cluster)
    }

    /// Its status now.
    pub async fn status(&self) -> Result<ClusterStatus> {
        Ok(self.get().await?.status.unwrap_or_default())
    }

    /// Changes fields of the spec, as an editor does.
    pub async fn change(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        request(self.api.patch(&self.name, &PatchParams::default(), &patch)).await.map(drop)
    }

    /// Deletes it. Returns at once; its objects go later.
    pub async fn delete(&self) -> Result<()> {
        let params = DeleteParams::background()
            .preconditions(Preconditions { uid: Some(self.uid.clone()), resource_version: None });
        request(self.api.delete(&self.name, &params)).await.map(drop)
    }

    /// The pods that it owns, those on their way out included, by name.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let listed = request(self.pods.list(&ListParams::default())).await?;
        let owned = |pod: &Pod| pod.owner_references().iter().any(|owner| owner.uid == self.uid);
        let mut pods: Vec<Pod> = listed.items.into_iter().filter(owned).collect();
        pods.sort_by_key(ResourceExt::name_any);
        Ok(pods)
    }

    /// One of its pods.
    pub async fn pod(&self, name: &str) -> Result<Pod> {
        let pods = self.pods().await?;
        pods.into_iter().find(|pod| pod.name_any() == name).context("the pod is not there")
    }

    /// Deletes a pod with no time to say goodbye.
    pub async fn kill(&self, pod: &Pod) -> Result<()> {
        let params = DeleteParams::default()
            .grace_period(0)
            .preconditions(Preconditions { uid: pod.uid(), resource_version: None });
        request(self.pods.delete(&pod.name_any(), &params)).await.map(drop)
    }

    /// Stops, continues or kills the etcd process of a member.
    pub async fn fault(&self, kube: &LocalKube, pod: &Pod, fault: ProcessFault) -> Result<()> {
        let uid = pod.uid().context("the pod has no UID")?;
        Ok(kube.container_process(node_of(pod)?, &uid, ETCD, fault).await?)
    }

    /// Makes the client endpoint of a member a black hole, or opens it again. Its peers and the
    /// kubelet still reach it.
    pub async fn black_hole(&self, kube: &LocalKube, pod: &Pod, is_hole: bool) -> Result<()> {
        let uid = pod.uid().context("the pod has no UID")?;
        let ports: &[u16] = if is_hole { &[api::ports::CLIENT] } else { &[] };
        Ok(kube.black_hole(node_of(pod)?, &uid, ETCD, ports).await?)
    }

    /// Waits for a status. The error shows the one that was seen last.
    pub async fn until(
        &self,
        what: &str,
        limit: Duration,
        is_so: impl Fn(&ClusterStatus) -> bool,
    ) -> Result<ClusterStatus> {
        until(&format!("{}: {what}", self.name), limit, async || {
            let status = self.status().await?;
            Ok(if is_so(&status) { Look::Is(status) } else { Look::NotYet(in_words(&status)) })
        })
        .await
    }

    /// Waits until it is in this phase.
    pub async fn phase(&self, phase: Phase) -> Result<ClusterStatus> {
        let what = format!("phase {}", phase.as_str());
        self.until(&what, PATIENCE, |status| status.phase == Some(phase)).await
    }

    /// Waits until this condition is true.
    pub async fn condition(&self, type_: &str) -> Result<Condition> {
        let find = |status: &ClusterStatus| {
            let mut all = status.conditions.iter();
            all.find(|one| one.type_ == type_ && one.status == "True").cloned()
        };
        let what = format!("condition {type_}");
        let status = self.until(&what, PATIENCE, |status| find(status).is_some()).await?;
        find(&status).context("the condition went away")
    }

    /// Waits until it has `size` members in every respect: the status says so for the newest spec,
    /// etcd lists that many voters and nobody else, each has a ready pod, and there is no other pod.
    pub async fn whole(&self, size: usize) -> Result<Whole> {
        self.whole_within(size, PATIENCE).await
    }

    /// As [`TestCluster::whole`] with another limit.
    pub async fn whole_within(&self, size: usize, limit: Duration) -> Result<Whole> {
        let what = format!("{} with {size} members", self.name);
        until(&what, limit, async || match self.look_whole(size).await {
            Ok(whole) => Ok(Look::Is(whole)),
            Err(error) => {
                let status = self.status().await.map(|status| in_words(&status));
                Ok(Look::NotYet(format!("{error:#}; {}", status.unwrap_or_default())))
            }
        })
        .await
    }

    async fn look_whole(&self, size: usize) -> Result<Whole> {
        let cluster = self.get().await?;
        let status = cluster.status.unwrap_or_default();
        ensure!(status.phase == Some(Phase::Running), "it is not Running");
        let is_new = status.observed_generation == cluster.metadata.generation;
        ensure!(is_new, "the status does not answer the newest spec");
        let ready = status.ready.clone().unwrap_or_default();
        ensure!(ready == format!("{size}/{size}"), "{ready} are ready");
        let pods = self.pods().await?;
        let names: BTreeSet<String> = pods.iter().map(ResourceExt::name_any).collect();
        ensure!(pods.len() == size && pods.iter().all(is_ready), "the pods are {names:?}");
        let list = Box::pin(self.members()).await?;
        let members: BTreeSet<String> = list.members.iter().map(|one| one.name.clone()).collect();
        let learners = list.members.iter().filter(|member| member.is_learner).count();
        ensure!(members == names && learners == 0, "pods {names:?}, etcd {:?}", list.members);
        Ok(Whole { status, list, pods })
    }

    /// A connection to the member behind a pod.
    pub async fn connect(&self, pod: &Pod) -> Result<MemberClient> {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        let ip = ip.with_context(|| format!("pod {} has no address", pod.name_any()))?;
        let url = format!("http://{ip}:{}", api::ports::CLIENT);
        let endpoint = Endpoint { url, server_name: None };
        Ok(Box::pin(MemberClient::connect(&endpoint, &Timeouts::default())).await?)
    }

    /// A connection to a voter that sees a leader.
    pub async fn client(&self) -> Result<MemberClient> {
        let mut failures = Vec::new();
        for pod in self.pods().await? {
            match Box::pin(self.connect_if_serving(&pod)).await {
                Ok(client) => return Ok(client),
                Err(error) => failures.push(format!("{}: {error:#}", pod.name_any())),
            }
        }
        bail!("no member of {} serves: {}", self.name, failures.join(", "))
    }

    async fn connect_if_serving(&self, pod: &Pod) -> Result<MemberClient> {
        let client = self.connect(pod).await?;
        let status = client.status().await?;
        ensure!(status.leader.is_some() && !status.is_learner, "it does not serve");
        Ok(client)
    }

    /// The members, read linearizably.
    pub async fn members(&self) -> Result<MemberList> {
        let client = self.client().await?;
        Ok(Box::pin(client.member_list()).await?)
    }

    /// Starts to write all the time.
    pub fn writer(&self) -> Writer {
        Writer::start(self.clone())
    }
}

/// What a status says, for the reader of a failure.
fn in_words(status: &ClusterStatus) -> String {
    let phase = status.phase.map_or("no phase", Phase::as_str);
    let ready = status.ready.as_deref().unwrap_or("none");
    let message = status.message.as_deref().unwrap_or("no message");
    let rows = status.member_statuses.iter().map(|row| format!("{} {:?}", row.name, row.health));
    format!("{phase}, {ready} ready: {message} [{}]", rows.collect::<Vec<_>>().join(", "))
}
