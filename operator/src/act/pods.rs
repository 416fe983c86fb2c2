//! Steps on pods.

use api::{annotations, ports};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{Actor, Outcome};
use crate::build::{Start, member_pod};
use crate::call::{is_not_found, within};
use crate::error::Error;
use crate::observe::{host_port, is_owned};

impl Actor<'_> {
    pub(super) async fn create_seed(&mut self, number: u32) -> Result<Outcome, Error> {
        self.reserve(number).await?;
        self.create(number, &Start::Seed).await
    }

    pub(super) async fn create_joiner(
        &mut self,
        number: u32,
        initial: Vec<u32>,
    ) -> Result<Outcome, Error> {
        self.reserve(number).await?;
        let ask = self.peer_addresses();
        self.create(number, &Start::Joiner { initial, ask }).await
    }

    /// Where the guard asks first: by IP, so that no name is looked up before it is published.
    fn peer_addresses(&self) -> Vec<String> {
        let members = &self.sight.etcd.answers;
        let pods =
            self.sight.pods.iter().filter(|(number, _)| {
                members.get(number).is_some_and(|answer| answer.status.is_ok())
            });
        pods.filter_map(|(_, pod)| pod.status.as_ref()?.pod_ip.as_deref())
            .map(|ip| format!("http://{}", host_port(ip, ports::PEER)))
            .collect()
    }

    pub(super) async fn create(&self, number: u32, start: &Start) -> Result<Outcome, Error> {
        let pod = member_pod(self.cluster, number, start, self.init_image);
        let params = PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false };
        match within("creating a pod", self.pods().create(&params, &pod)).await {
            Ok(_) => Ok(Outcome::Done),
            Err(Error::Conflict { .. }) => self.taken(&pod.name_any()).await,
            Err(error) => Err(error),
        }
    }

    /// There is a pod of that name. If it is ours, an earlier attempt got through.
    async fn taken(&self, name: &str) -> Result<Outcome, Error> {
        let there = within("reading a pod", self.pods().get(name)).await?;
        if is_owned(&there.metadata, &self.cluster.uid) {
            return Ok(Outcome::Done);
        }
        Err(Error::Clash { kind: "Pod", name: name.to_owned() })
    }

    pub(super) async fn mark_served(&self, number: u32) -> Result<Outcome, Error> {
        let Some(pod) = self.sight.pods.get(&number) else { return Ok(Outcome::Done) };
        // The API server refuses if the pod is not the one, and as, it was decided on.
        let patch = json!({
            "metadata": {
                "uid": pod.uid(),
                "resourceVersion": pod.resource_version(),
                "annotations": {annotations::SERVED: "true"},
            }
        });
        let params = PatchParams {
            field_manager: Some(api::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let call = self.pods();
        within("marking a pod", call.patch(&pod.name_any(), &params, &Patch::Merge(patch))).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn delete_pod(&self, number: u32) -> Result<Outcome, Error> {
        let Some(pod) = self.sight.pods.get(&number) else { return Ok(Outcome::Done) };
        // A pod that was marked meanwhile, say, is not the one that may go.
        let same = Preconditions { uid: pod.uid(), resource_version: pod.resource_version() };
        let params = DeleteParams::default().preconditions(same);
        match within("deleting a pod", self.pods().delete(&pod.name_any(), &params)).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if is_not_found(&error) => Ok(Outcome::Done),
            Err(error) => Err(error),
        }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.cluster.name.namespace)
    }
}
