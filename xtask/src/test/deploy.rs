//! Everything in `deploy/` is offered to the real API server, which says what it thinks of it.

use ::tests::localkube::{Kubectl, LocalKube, workspace};
use anyhow::{Context, Result, ensure};

/// The namespace of `deploy/operator`. Made for real, as the definitions are: a dry run makes nothing that
/// the objects after it could be in.
const NAMESPACE: &str =
    r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "etcd-operator"}}"#;
const APPLY: [&str; 4] =
    ["apply", "--server-side", "--force-conflicts", "--field-manager=deploy-check"];

/// Applies every kustomization and every example below `deploy/` as a dry run on the server.
pub(super) async fn check(kube: &LocalKube) -> Result<()> {
    let kubectl = kube.kubectl();
    kubectl.run_with_input(&[&APPLY[..], &["-f", "-"]].concat(), NAMESPACE).await?;
    apply(&kubectl, "crds", &["--kustomize"]).await?;
    let folders = folders()?;
    ensure!(folders.iter().any(|name| name == "operator"), "deploy/operator is missing");
    for folder in &folders {
        apply(&kubectl, folder, &["--dry-run=server", "--kustomize"]).await?;
    }
    apply(&kubectl, "examples", &["--dry-run=server", "--recursive", "--filename"]).await?;
    eprintln!("accepted: {}, examples", folders.join(", "));
    Ok(())
}

/// `how` ends with the option that takes the path.
async fn apply(kubectl: &Kubectl, folder: &str, how: &[&str]) -> Result<()> {
    let path = workspace().join("deploy").join(folder).display().to_string();
    let applied = kubectl.run(&[&APPLY[..], how, &[&path]].concat()).await;
    applied.map(drop).with_context(|| format!("deploy/{folder} is not accepted"))
}

/// Folders of `deploy/` with a kustomization.
fn folders() -> Result<Vec<String>> {
    let entries = std::fs::read_dir(workspace().join("deploy")).context("listing deploy/")?;
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.context("listing deploy/")?;
        if entry.path().join("kustomization.yaml").is_file() {
            folders.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    folders.sort();
    Ok(folders)
}
