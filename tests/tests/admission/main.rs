//! What a real API server makes of everything under `deploy/`: the definition with its rules, the
//! refusals that people read, the examples, the kustomizations.
//!
//! Nearly all of it is a dry run; what is written is the definition itself and one paused cluster
//! in a namespace of its own. Runs inside the local Kubernetes, as `cargo xtask kube exec` does.

#![allow(clippy::indexing_slicing, reason = "a missing field of JSON reads as null")]

mod manifests;

use std::{env, fs, future::Future, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, bail, ensure};
use api::v1beta1::{Cluster, ClusterSpec};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, TypeMeta},
    discovery::{self, Scope},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest time for one request.
const LIMIT: Duration = Duration::from_secs(30);

/// The field manager of what these scenarios apply.
const MANAGER: &str = "etcd-operator-tests";

/// One entry of `crates/api/tests/admission.yaml`.
#[derive(Deserialize)]
struct Entry {
    case: String,
    name: Option<String>,
    spec: Value,
    refused: Option<String>,
}

#[tokio::test]
async fn bad_specs_are_refused_with_a_sentence_that_says_what_to_write() -> anyhow::Result<()> {
    let client = client_with_definition().await?;
    let clusters = Api::default_namespaced_with(client, &ApiResource::erase::<Cluster>(&()));
    let entries: Vec<Entry> =
        serde_saphyr::from_str(include_str!("../../../crates/api/tests/admission.yaml"))?;
    ensure!(entries.len() > 50, "the cases are gone");
    let mut surprises = Vec::new();
    for entry in entries {
        let name = entry.name.as_deref().unwrap_or("kv");
        let mut cluster = DynamicObject::new(name, &ApiResource::erase::<Cluster>(&()));
        cluster.data = json!({ "spec": entry.spec });
        let answer = refusal(&clusters, &cluster).await?;
        if !is_as_expected(answer.as_deref(), entry.refused.as_deref()) {
            surprises.push(format!("{}: {answer:?}", entry.case));
        }
    }
    ensure!(surprises.is_empty(), "{surprises:#?}");
    Ok(())
}

fn is_as_expected(answer: Option<&str>, expected: Option<&str>) -> bool {
    match (answer, expected) {
        (None, None) => true,
        (Some(answer), Some(expected)) => answer.contains(expected),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The sentence with which the API server refuses to create `object`, if it does.
async fn refusal(
    api: &Api<DynamicObject>,
    object: &DynamicObject,
) -> anyhow::Result<Option<String>> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match in_time(api.create(&dry_run, object)).await? {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(status.message)),
        Err(error) => Err(error).context("asking the API server"),
    }
}

#[tokio::test]
async fn scaling_obeys_the_same_rules() -> anyhow::Result<()> {
    let client = client_with_definition().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.meta_mut().generate_name = Some("admission-".to_owned());
    let namespace = in_time(namespaces.create(&PostParams::default(), &namespace)).await??;
    let outcome = scale_to_five_and_to_none(client, &namespace.name_any()).await;
    in_time(namespaces.delete(&namespace.name_any(), &DeleteParams::default())).await??;
    outcome
}

/// The cluster is paused, so that an operator that runs here leaves it alone.
async fn scale_to_five_and_to_none(client: Client, namespace: &str) -> anyhow::Result<()> {
    let clusters: Api<Cluster> = Api::namespaced(client, namespace);
    let spec = ClusterSpec { size: 3, paused: true, ..ClusterSpec::default() };
    in_time(clusters.create(&PostParams::default(), &Cluster::new("kv", spec))).await??;

    in_time(scale(&clusters, 5)).await?.context("scaling to 5")?;
    let cluster = in_time(clusters.get("kv")).await??;
    ensure!(cluster.spec.size == 5, "size is {} and not 5", cluster.spec.size);

    match in_time(scale(&clusters, 0)).await? {
        Err(kube::Error::Api(status)) if status.message.contains("size must be 1 to 7") => Ok(()),
        other => bail!("scaling to 0 was answered with {other:?}"),
    }
}

async fn scale(clusters: &Api<Cluster>, size: i32) -> kube::Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "replicas": size } }));
    clusters.patch_scale("kv", &PatchParams::default(), &patch).await.map(drop)
}

#[tokio::test]
async fn examples_are_accepted() -> anyhow::Result<()> {
    let client = client_with_definition().await?;
    let mut accepted = 0;
    for folder in ["examples", "examples/seed"] {
        for file in fs::read_dir(deploy(folder)).context("reading the examples")? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&file)?;
                accept_all(&client, &text).await.with_context(|| file.display().to_string())?;
                accepted += 1;
            }
        }
    }
    ensure!(accepted >= 10, "only {accepted} examples were found");
    Ok(())
}

#[tokio::test]
async fn kustomizations_are_accepted() -> anyhow::Result<()> {
    let client = client_with_definition().await?;
    for folder in ["crds", "operator", "namespaced", "local"] {
        let manifests = render(folder).await?;
        accept_all(&client, &manifests).await.with_context(|| format!("deploy/{folder}"))?;
    }
    Ok(())
}

/// kubectl goes by what the API server serves of the definitions, not by the files.
#[tokio::test]
async fn kubectl_knows_the_short_names_and_shows_the_columns() -> anyhow::Result<()> {
    let client = client_with_definition().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.meta_mut().generate_name = Some("columns-".to_owned());
    let namespace =
        in_time(namespaces.create(&PostParams::default(), &namespace)).await??.name_any();
    let outcome = Box::pin(columns(client, &namespace)).await;
    in_time(namespaces.delete(&namespace, &DeleteParams::default())).await??;
    outcome
}

async fn columns(client: Client, namespace: &str) -> anyhow::Result<()> {
    let clusters: Api<Cluster> = Api::namespaced(client.clone(), namespace);
    let spec = ClusterSpec { size: 3, paused: true, ..ClusterSpec::default() };
    in_time(clusters.create(&PostParams::default(), &Cluster::new("kv", spec))).await??;
    let backup = json!({"apiVersion": "etcd.coreos.com/v1beta1", "kind": "Backup",
                        "metadata": {"name": "now"}, "spec": {"clusterName": "kv"}});
    let backups: Api<api::v1beta1::Backup> = Api::namespaced(client, namespace);
    in_time(backups.create(&PostParams::default(), &serde_json::from_value(backup)?)).await??;
    for (short, columns) in [
        ("etcd", "NAME PHASE READY VERSION BACKUP AGE"),
        ("etcdbackup", "NAME CLUSTER PHASE REVISION SIZE TAKEN AGE"),
    ] {
        let table = kubectl(&["--namespace", namespace, "get", short]).await?;
        let header = table.lines().next().unwrap_or_default();
        let words: Vec<&str> = header.split_whitespace().collect();
        ensure!(words.join(" ") == columns, "get {short}: {table}");
        ensure!(table.lines().count() == 2, "get {short}: {table}");
    }
    Ok(())
}

/// What the operator's applies rest on (`pin` in operator/src/objects.rs): where there is nothing, any
/// version may be named; where there is something, only its own.
#[tokio::test]
async fn an_apply_with_a_version_that_no_object_has_creates_and_never_changes() -> anyhow::Result<()>
{
    use k8s_openapi::api::core::v1::ConfigMap;
    let client = client_with_definition().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client, "default");
    let name = format!("pinned-{}", std::process::id());
    let map = |version: &str, value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": value},
               "metadata": {"name": name, "resourceVersion": version}})
    };
    let params = PatchParams::apply(MANAGER).force();
    let made = in_time(maps.patch(&name, &params, &Patch::Apply(map("1", "first")))).await?;
    let again = in_time(maps.patch(&name, &params, &Patch::Apply(map("1", "second")))).await?;
    let now = in_time(maps.get(&name)).await?;
    in_time(maps.delete(&name, &DeleteParams::default())).await??;
    made.context("creating it")?;
    let is_conflict = matches!(&again, Err(kube::Error::Api(status)) if status.is_conflict());
    ensure!(is_conflict, "applying over it was answered with {again:?}");
    let value = now?.data.and_then(|data| data.get("key").cloned());
    ensure!(value.as_deref() == Some("first"), "it holds {value:?}");
    Ok(())
}

/// Has the API server check every document of `manifests`, unknown fields included. Objects of a
/// namespace are checked in `default`: the operator's own namespace need not exist here.
async fn accept_all(client: &Client, manifests: &str) -> anyhow::Result<()> {
    for manifest in documents(manifests)? {
        let object: DynamicObject = serde_json::from_value(manifest)?;
        let types = object.types.clone().context("a document has no kind")?;
        let name = object.name_any();
        accept(client, &types, object).await.with_context(|| format!("{} {name}", types.kind))?;
    }
    Ok(())
}

async fn accept(
    client: &Client,
    types: &TypeMeta,
    mut object: DynamicObject,
) -> anyhow::Result<()> {
    let gvk = GroupVersionKind::try_from(types)?;
    let (resource, capabilities) = in_time(discovery::pinned_kind(client, &gvk)).await??;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), "default", &resource),
    };
    object.metadata.namespace =
        (capabilities.scope == Scope::Namespaced).then(|| "default".to_owned());
    let params = PatchParams::apply(MANAGER).force().dry_run().validation_strict();
    in_time(api.patch(&object.name_any(), &params, &Patch::Apply(&object))).await??;
    Ok(())
}

/// A client for the Kubernetes that the environment names, with the definition installed. It does
/// not look for one by itself, which might be a person's own.
async fn client_with_definition() -> anyhow::Result<Client> {
    env::var_os("KUBECONFIG").context(
        "KUBECONFIG is not set: run this inside the local Kubernetes with `cargo xtask kube exec`",
    )?;
    let client = Client::try_default().await.context("connecting to Kubernetes")?;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in [api::crd::cluster(), api::crd::backup()] {
        let name = definition.name_any();
        let params = PatchParams::apply(MANAGER).force();
        in_time(definitions.patch(&name, &params, &Patch::Apply(&definition))).await??;
        in_time(await_condition(definitions.clone(), &name, is_crd_established())).await??;
    }
    Ok(client)
}

/// What `kubectl kustomize` makes of a folder of `deploy/`.
async fn render(folder: &str) -> anyhow::Result<String> {
    let folder = deploy(folder);
    kubectl(&["kustomize", folder.to_str().context("the checkout's path is not text")?]).await
}

async fn kubectl(args: &[&str]) -> anyhow::Result<String> {
    let mut kubectl = tokio::process::Command::new("kubectl");
    kubectl.args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = in_time(kubectl.output()).await?.context("running kubectl")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {args:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

fn documents(manifests: &str) -> anyhow::Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(manifests)?)
}

fn deploy(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(folder)
}

async fn in_time<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(LIMIT, future).await.context("no answer from Kubernetes within 30 s")
}
