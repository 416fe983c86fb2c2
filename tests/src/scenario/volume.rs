//! The volume behind a cluster's claim, as this machine sees it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::Api;

use super::{Look, PATIENCE, Sandbox, request, until};

/// The folder of the volume that a cluster's backups are on, once its claim has one.
pub async fn volume(sandbox: &Sandbox, cluster: &str) -> Result<Option<PathBuf>> {
    let claims: Api<PersistentVolumeClaim> = sandbox.api();
    let claim = request(claims.get_opt(&format!("{cluster}-pvc"))).await?;
    let Some(name) = claim.and_then(|claim| claim.spec?.volume_name) else { return Ok(None) };
    let volumes: Api<PersistentVolume> = Api::all(sandbox.client.clone());
    let volume = request(volumes.get(&name)).await?;
    let source = volume.spec.and_then(|spec| spec.host_path).context("no folder on the host")?;
    Ok(Some(source.path.into()))
}

/// The provisioner makes its folders for root alone; a storage system of a real cluster heeds
/// fsGroup. Waits for the volume and opens it.
pub async fn open_volume(sandbox: &Sandbox, cluster: &str) -> Result<()> {
    let folder = until("a volume for the claim", PATIENCE, async || {
        let volume = volume(sandbox, cluster).await?;
        Ok(volume.map_or_else(|| Look::NotYet("not bound".into()), Look::Is))
    })
    .await?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))
        .with_context(|| format!("opening {}", folder.display()))
}
