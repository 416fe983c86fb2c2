//! The demo on a Kubernetes that the user has.

use std::path::PathBuf;

use ::tests::command::on_path;
use ::tests::localkube::workspace;
use anyhow::{Context, Result, ensure};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use serde_json::json;

use super::ledger::Ledger;
use super::story::{Backups, Story};
use crate::cluster::Operator;

/// Where that Kubernetes pulls the project's images from.
pub(super) struct Images<'a> {
    pub(super) operator: &'a str,
    pub(super) init: &'a str,
    /// Needed for backups.
    pub(super) sidecar: Option<&'a str>,
}

/// Shows the demo there. An operator that is there already is somebody's: the demo would kill it.
pub(super) async fn show(
    context: &str,
    images: &Images<'_>,
    backups: Backups,
    keep: bool,
    ledger: &mut Ledger,
) -> Result<()> {
    ensure!(
        images.sidecar.is_some() || matches!(backups, Backups::LeftOut),
        "name the image of the backup sidecar with --sidecar-image, or leave backups out with --no-backups"
    );
    ensure!(on_path("kubectl").is_some(), "kubectl is not on PATH; the demo installs with it");
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    let config = Config::from_kubeconfig(&options).await;
    let config =
        config.with_context(|| format!("the kubeconfig has no usable context {context}"))?;
    let client = Client::try_from(config).context("connecting to Kubernetes")?;
    let operator = Operator::new(&client, Some(context));
    ensure!(
        !operator.has_namespace().await?,
        "the namespace etcd-operator is there already, and the demo kills the operator in it: use \
         another Kubernetes, or uninstall that one first"
    );
    let kustomization = kustomization(images)?;
    Box::pin(Story::at(&client, context, &kustomization, backups).tell(keep, ledger)).await?;
    if keep {
        eprintln!(
            "\nIt is all still up: kubectl --context {context} -n etcd-demo get etcd,backups,pods"
        );
        eprintln!("To remove it: kubectl --context {context} delete namespace etcd-demo");
        eprintln!(
            "and then:     kubectl --context {context} delete -k {}",
            kustomization.display()
        );
    }
    Ok(())
}

/// `deploy/crds` and `deploy/operator` with these images.
fn kustomization(images: &Images<'_>) -> Result<PathBuf> {
    let folder = workspace().join("target/demo");
    std::fs::create_dir_all(&folder).context("making target/demo")?;
    let mut env = vec![json!({"name": "INIT_IMAGE", "value": images.init})];
    env.extend(images.sidecar.map(|image| json!({"name": "SIDECAR_IMAGE", "value": image})));
    let container = json!({"name": "etcd-operator", "image": images.operator, "env": env});
    let patch = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "etcd-operator", "namespace": "etcd-operator"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    });
    let text = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../deploy/crds", "../../deploy/operator"],
        "patches": [{"patch": patch.to_string()}],
    });
    // JSON is YAML.
    std::fs::write(folder.join("kustomization.yaml"), text.to_string())
        .context("writing target/demo/kustomization.yaml")?;
    Ok(folder)
}
