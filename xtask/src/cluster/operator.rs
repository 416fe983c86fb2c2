//! The operator on a Kubernetes: whether it is there, putting it there, and taking it away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tests::localkube::LocalKube;
use ::tests::scenario::operator::deployed;
use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, LogParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Api, Client, ResourceExt};

use super::{Kubectl, at_once, within};

/// Namespace and name that `deploy/operator` gives it.
pub(crate) const NAME: &str = "etcd-operator";
const DEFINITION: &str = "clusters.etcd.coreos.com";
/// An image may have to be pulled.
const ROLLOUT: Duration = Duration::from_mins(3);

/// The operator, and how kubectl reaches its Kubernetes.
pub(crate) struct Operator {
    client: Client,
    kubectl: Kubectl,
}

impl Operator {
    pub(crate) fn new(client: &Client, context: Option<&str>) -> Self {
        Self { client: client.clone(), kubectl: Kubectl::new(context) }
    }

    /// Whether it is deployed.
    pub(crate) async fn is_there(&self) -> Result<bool> {
        let all = self.deployments();
        Ok(within("looking for the operator", all.get_opt(NAME)).await?.is_some())
    }

    /// Whether clusters are known.
    pub(crate) async fn is_defined(&self) -> Result<bool> {
        let all = self.definitions();
        Ok(within("looking for the definition", all.get_opt(DEFINITION)).await?.is_some())
    }

    /// Puts it on the local Kubernetes, or a newer build in the place of an older one.
    pub(crate) async fn deploy_locally(&self) -> Result<()> {
        deployed(&LocalKube::attach()?, &self.client).await
    }

    /// Applies a kustomization with it and waits until all replicas run.
    pub(crate) async fn deploy(&self, kustomization: &Path) -> Result<()> {
        self.with_folder(&["apply", "--server-side", "--force-conflicts", "-k"], kustomization)
            .await?;
        let established = await_condition(self.definitions(), DEFINITION, is_crd_established());
        within("waiting until the definition is established", established).await?;
        let rolled_out = await_condition(self.deployments(), NAME, is_rolled_out);
        let waited = tokio::time::timeout(ROLLOUT, rolled_out).await;
        waited.with_context(|| {
            format!("the operator is not ready after {ROLLOUT:?}; see kubectl -n {NAME} get pods")
        })??;
        Ok(())
    }

    /// Deletes what is in a kustomization.
    pub(crate) async fn delete(&self, kustomization: &Path) -> Result<()> {
        self.with_folder(&["delete", "--ignore-not-found", "--timeout=90s", "-k"], kustomization)
            .await
    }

    /// Its replicas' pods.
    pub(crate) async fn pods(&self) -> Result<Vec<Pod>> {
        let ours = ListParams::default().labels(&format!("app.kubernetes.io/name={NAME}"));
        Ok(within("listing the operator's pods", self.all_pods().list(&ours)).await?.items)
    }

    /// Kills every replica at once; Kubernetes starts new ones.
    pub(crate) async fn kill(&self) -> Result<usize> {
        let pods = self.pods().await?;
        for pod in &pods {
            let killed = self.all_pods();
            within("killing the operator", killed.delete(&pod.name_any(), &at_once())).await?;
        }
        Ok(pods.len())
    }

    /// The last lines of the replicas' logs, for a person who wonders why something failed.
    pub(crate) async fn last_words(&self) -> String {
        let mut said = String::new();
        for pod in self.pods().await.unwrap_or_default() {
            let params = LogParams { tail_lines: Some(10), ..LogParams::default() };
            let all = self.all_pods();
            let log = within("reading a log", all.logs(&pod.name_any(), &params)).await;
            said.push_str(&log.unwrap_or_default());
        }
        said
    }

    pub(crate) fn all_pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAME)
    }

    fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAME)
    }

    fn definitions(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    /// Whether its namespace is there, with or without the operator in it.
    pub(crate) async fn has_namespace(&self) -> Result<bool> {
        let all: Api<Namespace> = Api::all(self.client.clone());
        Ok(within("looking for the operator's namespace", all.get_opt(NAME)).await?.is_some())
    }

    /// How it is reached.
    pub(crate) fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    async fn with_folder(&self, args: &[&str], kustomization: &Path) -> Result<()> {
        let folder = kustomization.to_str().context("the path of the checkout is not text")?;
        self.kubectl.run(&[args, &[folder]].concat()).await.map(drop)
    }
}

fn is_rolled_out(deployment: Option<&Deployment>) -> bool {
    let Some(deployment) = deployment else { return false };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation >= deployment.metadata.generation
            && [status.replicas, status.updated_replicas, status.available_replicas]
                .iter()
                .all(|count| *count == wanted)
    })
}

/// A folder of `deploy/`.
pub(crate) fn manifests(folder: &str) -> PathBuf {
    ::tests::localkube::workspace().join("deploy").join(folder)
}
