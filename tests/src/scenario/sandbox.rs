//! A namespace for one scenario.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};

use super::{Look, PATIENCE, TestCluster, dump, operator, request, until};
use crate::localkube::{LocalKube, node::QUIET};

/// A namespace of its own, in which a scenario does as it likes.
pub struct Sandbox {
    /// The Kubernetes API as the administrator.
    pub client: Client,
    /// The Kubernetes below it, for faults.
    pub kube: LocalKube,
    namespace: String,
    began: Instant,
}

impl Sandbox {
    /// Runs `scenario` in a new namespace whose name has `name` in it, with the operator deployed.
    /// The namespace is deleted afterwards; after a failure, what was in it is printed before.
    pub async fn run(name: &str, scenario: impl AsyncFnOnce(&Sandbox) -> Result<()>) -> Result<()> {
        let kube = LocalKube::attach().context("the scenarios run on the local Kubernetes")?;
        let client = client().await?;
        operator::deployed(&kube, &client).await.context("deploying the operator")?;
        Self::run_in(kube, client, name, scenario).await
    }

    /// As [`Sandbox::run`] without the operator that all share: whoever wants one brings its own.
    pub async fn run_apart(
        name: &str,
        scenario: impl AsyncFnOnce(&Sandbox) -> Result<()>,
    ) -> Result<()> {
        let kube = LocalKube::attach().context("this runs on the local Kubernetes")?;
        let client = client().await?;
        Self::run_in(kube, client, name, scenario).await
    }

    async fn run_in(
        kube: LocalKube,
        client: Client,
        name: &str,
        scenario: impl AsyncFnOnce(&Sandbox) -> Result<()>,
    ) -> Result<()> {
        let sandbox = Self::make(kube, client, name).await?;
        let outcome = Box::pin(scenario(&sandbox)).await;
        if let Err(error) = &outcome {
            eprintln!("failed after {:?}: {error:#}", sandbox.began.elapsed());
            dump::print(&sandbox.kube, &sandbox.namespace, sandbox.began.elapsed()).await;
        }
        sandbox.remove().await?;
        outcome
    }

    async fn make(kube: LocalKube, client: Client, name: &str) -> Result<Self> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let mut namespace = Namespace::default();
        namespace.metadata.generate_name = Some(format!("t-{name}-"));
        let made = request(namespaces.create(&PostParams::default(), &namespace)).await?;
        let namespace = made.name_any();
        let sandbox = Self { client, kube, namespace, began: Instant::now() };
        // No pod is admitted before.
        let accounts: Api<ServiceAccount> = sandbox.api();
        until("the namespace's service account", PATIENCE, async || {
            let there = request(accounts.get_opt("default")).await?.is_some();
            Ok(Look::claim(there, || "none".into()))
        })
        .await?;
        Ok(sandbox)
    }

    async fn remove(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let params = DeleteParams::default();
        let deleting = namespaces.delete(&self.namespace, &params);
        request(deleting).await.map(drop).context("deleting the scenario's namespace")
    }

    /// Its name.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The objects of one kind in it.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a cluster of this spec as a person would. Unless the spec says where its pods go, they
    /// and its sidecar's keep off the node on which faults are made.
    pub async fn cluster(&self, name: &str, spec: Value) -> Result<TestCluster> {
        let mut spec = spec;
        if let Some(fields) = spec.as_object_mut() {
            fields.entry("pod").or_insert_with(|| json!({"nodeSelector": {QUIET.0: QUIET.1}}));
        }
        let api = self.api();
        TestCluster::apply(self.client.clone(), api, &self.namespace, name, &spec).await
    }

    /// kubectl in this namespace, with `input` on its stdin.
    pub async fn kubectl(&self, args: &[&str], input: &str) -> Result<String> {
        let args = [&["--namespace", &self.namespace], args].concat();
        Ok(self.kube.kubectl().run_with_input(&args, input).await?)
    }

    /// How long it has been there.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line for whoever reads the output of a failed scenario.
    pub fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

/// A client for the Kubernetes that the environment names. It does not look for one by itself: that
/// might be a person's own.
async fn client() -> Result<Client> {
    std::env::var_os("KUBECONFIG").context(
        "KUBECONFIG is not set: run this inside the local Kubernetes with `cargo xtask kube exec`",
    )?;
    Client::try_default().await.context("connecting to Kubernetes")
}
