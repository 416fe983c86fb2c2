//! The operator that all scenarios share: two replicas in the namespace `etcd-operator`, deployed
//! once from `deploy/local`, and what can befall it.
//!
//! Whoever takes it away holds the turn while it is gone, so that nobody deploys it meanwhile; the
//! other scenarios wait through it as a person's clusters would.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::{Look, MANAGER, PATIENCE, is_ready, node_of, request, until};
use crate::localkube::images::project_folder;
use crate::localkube::{LocalKube, ProcessFault, workspace};

/// Namespace of the operator, of its Lease and its logs.
pub const NAMESPACE: &str = "etcd-operator";
/// Name of its Deployment, its container and its Lease.
pub const NAME: &str = "etcd-operator";
/// Replicas in `deploy/operator`.
const REPLICAS: i32 = 2;
/// On the pods: which build of the image they run. The tag says nothing, it is always the same.
const BUILD: &str = "scenario/build";

/// Deploys `deploy/local` if it does not run yet as it is built now, and waits for a ready replica.
pub async fn deployed(kube: &LocalKube, client: &Client) -> Result<()> {
    if !is_current(client).await? {
        let _turn = turn().await?;
        if !is_current(client).await? {
            apply(kube).await?;
        }
    }
    // Not one of the build before, which works until it is gone.
    let build = build()?;
    let is_current = |pod: &Pod| pod.annotations().get(BUILD) == Some(&build);
    until("a ready operator of this build and no other", PATIENCE, async || {
        let pods = pods(client).await?;
        let is_there = pods.iter().all(is_current) && pods.iter().any(is_ready);
        Ok(Look::claim(is_there, || names(&pods)))
    })
    .await
}

async fn is_current(client: &Client) -> Result<bool> {
    let Some(deployment) = request(deployments(client).get_opt(NAME)).await? else {
        return Ok(false);
    };
    let spec = deployment.spec.unwrap_or_default();
    let annotations = spec.template.metadata.and_then(|meta| meta.annotations).unwrap_or_default();
    Ok(spec.replicas == Some(REPLICAS) && annotations.get(BUILD) == Some(&build()?))
}

/// What tells one build of the images from another.
fn build() -> Result<String> {
    let digest = |image: &str| {
        let file = project_folder().join(format!("localhost_{image}_dev.json"));
        let text = std::fs::read(&file)
            .with_context(|| format!("{} is missing: run `cargo xtask images`", file.display()))?;
        let record: Value = serde_json::from_slice(&text)?;
        let inputs = record.get("inputs").and_then(Value::as_str).map(str::to_owned);
        inputs.context("the image's record has no inputs")
    };
    let images = ["etcd-operator", "etcd-restore-init", "etcd-backup-sidecar"];
    Ok(images.map(digest).into_iter().collect::<Result<Vec<_>>>()?.join(" "))
}

async fn apply(kube: &LocalKube) -> Result<()> {
    let folder = workspace().join("deploy/local");
    let mut manifests = render(kube, &folder).await?;
    let build = build()?;
    let deployment = manifests.iter_mut().find(|one| one.get("kind") == Some(&"Deployment".into()));
    let template = deployment.and_then(|one| one.pointer_mut("/spec/template/metadata"));
    let template = template.and_then(Value::as_object_mut).context("no Deployment to mark")?;
    template.insert("annotations".to_owned(), json!({BUILD: build}));
    apply_all(kube, &manifests).await
}

/// What kustomize makes of a folder.
pub async fn render(kube: &LocalKube, folder: &Path) -> Result<Vec<Value>> {
    let folder = folder.to_str().context("the path of the checkout is not text")?;
    let text = kube.kubectl().run(&["kustomize", folder]).await?;
    Ok(serde_saphyr::from_multiple(&text)?)
}

/// Applies manifests as one list. Definitions first: what else there is may need them.
pub async fn apply_all(kube: &LocalKube, manifests: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests}).to_string();
    let manager = format!("--field-manager={MANAGER}");
    let args = ["apply", "--server-side", "--force-conflicts", &manager, "-f", "-"];
    kube.kubectl().run_with_input(&args, &list).await?;
    Ok(())
}

/// Waits for the right to change how the operator runs; it ends when this is dropped.
async fn turn() -> Result<File> {
    let path = project_folder().with_file_name("operator.turn");
    let open = move || -> Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    let waiting = tokio::task::spawn_blocking(open);
    let file = tokio::time::timeout(PATIENCE, waiting).await;
    file.context("another scenario has taken the operator away for too long")??
}

/// Does `body` while no operator runs, and brings it back whatever comes of it.
pub async fn without<T>(client: &Client, body: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    without_after(client, async || Ok(()), async |()| body().await).await
}

/// Takes the operator away at the moment at which `prelude` returns, does `body`, and brings it back.
pub async fn without_after<P, T>(
    client: &Client,
    prelude: impl AsyncFnOnce() -> Result<P>,
    body: impl AsyncFnOnce(P) -> Result<T>,
) -> Result<T> {
    let _turn = turn().await?;
    let before = Box::pin(prelude()).await?;
    let outcome = match scaled(client, 0).await {
        Ok(()) => Box::pin(body(before)).await,
        Err(error) => Err(error),
    };
    scaled(client, REPLICAS).await.context("bringing the operator back")?;
    outcome
}

async fn scaled(client: &Client, replicas: i32) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    request(deployments(client).patch_scale(NAME, &PatchParams::default(), &patch)).await?;
    until(&format!("{replicas} replicas of the operator"), PATIENCE, async || {
        let pods = pods(client).await?;
        let all = usize::try_from(replicas) == Ok(pods.len()) && pods.iter().all(is_ready);
        Ok(Look::claim(all, || names(&pods)))
    })
    .await
}

/// Its pods, those on their way out included.
pub async fn pods(client: &Client) -> Result<Vec<Pod>> {
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/name=etcd-operator");
    Ok(request(api.list(&ours)).await?.items)
}

/// The pod of the replica that holds the Lease.
pub async fn leader(client: &Client) -> Result<Pod> {
    until("an operator that leads", PATIENCE, async || {
        let holder = holder(client).await?;
        let pods = pods(client).await?;
        let found = pods.iter().find(|pod| pod.name_any() == holder && is_ready(pod));
        let seen = || Look::NotYet(format!("holder {holder:?}, pods {}", names(&pods)));
        Ok(found.map_or_else(seen, |pod| Look::Is(pod.clone())))
    })
    .await
}

/// Who holds the Lease; empty when nobody does, or when there is none.
pub async fn holder(client: &Client) -> Result<String> {
    let spec = request(leases(client).get_opt(NAME)).await?.and_then(|lease| lease.spec);
    Ok(spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
}

/// Which Lease it is.
pub async fn lease_uid(client: &Client) -> Result<String> {
    request(leases(client).get(NAME)).await?.uid().context("the Lease has no UID")
}

/// Stops, continues or kills the process of a replica.
pub async fn fault(kube: &LocalKube, pod: &Pod, fault: ProcessFault) -> Result<()> {
    let uid = pod.uid().context("the pod has no UID")?;
    Ok(kube.container_process(node_of(pod)?, &uid, NAME, fault).await?)
}

/// Kills the replica that works, with SIGKILL, and its pod with it. The dead replica's Lease is given
/// up for it: another takes over at once and not after the Lease's 15 s, which have a scenario of
/// their own. Returns the dead one's name.
pub async fn crash(kube: &LocalKube, client: &Client) -> Result<String> {
    let pod = leader(client).await?;
    let name = pod.name_any();
    fault(kube, &pod, ProcessFault::Kill).await?;
    let api: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    request(api.delete(&name, &DeleteParams::default().grace_period(0))).await?;
    let spec = json!({
        "holderIdentity": null, "acquireTime": null, "renewTime": null,
        "leaseDurationSeconds": null,
    });
    let lease = request(leases(client).get(NAME)).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    if holder.as_deref() == Some(&name) {
        let version = lease.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": spec});
        let giving_up =
            leases(client).patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await;
        // Somebody else has it by now, which is what is wanted.
        ensure!(!matches!(&giving_up, Err(error) if !is_conflict(error)), "{giving_up:?}");
    }
    Ok(name)
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}

fn names(pods: &[Pod]) -> String {
    let state = |pod: &Pod| {
        format!("{} {}", pod.name_any(), if is_ready(pod) { "ready" } else { "not ready" })
    };
    pods.iter().map(state).collect::<Vec<_>>().join(", ")
}

fn deployments(client: &Client) -> Api<Deployment> {
    Api::namespaced(client.clone(), NAMESPACE)
}

fn leases(client: &Client) -> Api<Lease> {
    Api::namespaced(client.clone(), NAMESPACE)
}
