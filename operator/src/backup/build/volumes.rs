//! The volumes of the sidecar's pod: one folder with all that it reads, and the backups.

use api::objects;
use api::sidecar::paths;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, KeyToPath, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    SecretProjection, Volume, VolumeMount, VolumeProjection,
};

use super::CONFIG_KEY;
use super::container::credentials_secret;
use crate::backup::policy::ValidatedBackup;

const SETTINGS: &str = "settings";
const BACKUPS: &str = "backups";
/// Keys of every Secret with a certificate.
const TLS_KEYS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];
/// Keys that a Secret with credentials may have; each store reads its own.
const CREDENTIALS_KEYS: [&str; 3] = ["config", "credentials", "credentials.json"];

/// What the container mounts.
pub(super) fn mounts(backup: &ValidatedBackup) -> Vec<VolumeMount> {
    let mut mounts = vec![VolumeMount {
        name: SETTINGS.into(),
        mount_path: folder(paths::CONFIG).to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }];
    if backup.volume.is_some() {
        mounts.push(VolumeMount {
            name: BACKUPS.into(),
            mount_path: paths::VOLUME.into(),
            ..VolumeMount::default()
        });
    }
    mounts
}

/// Names of the objects that a pod reads.
pub(super) struct Names {
    /// The `ConfigMap` with the configuration.
    pub(super) config: String,
    /// The Secret with the pod's own certificate.
    pub(super) tls: String,
    /// The claim of the volume, if there is one.
    pub(super) claim: String,
}

impl Names {
    /// Those of a cluster's sidecar.
    pub(super) fn of_sidecar(cluster: &str) -> Self {
        Self {
            config: objects::backup_sidecar(cluster),
            tls: objects::backup_server_tls(cluster),
            claim: objects::backup_claim(cluster),
        }
    }
}

/// The volumes of the pod. Configuration, certificate and credentials are one volume, in which all
/// follow their objects.
pub(super) fn volumes(cluster: &str, names: &Names, backup: &ValidatedBackup) -> Vec<Volume> {
    let mut sources = vec![config(&names.config), tls(&names.tls)];
    sources.extend(credentials_secret(cluster, backup).map(credentials));
    let settings = Volume {
        name: SETTINGS.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(sources),
            // Read by way of the pod's group.
            default_mode: Some(0o440),
        }),
        ..Volume::default()
    };
    let backups = backup.volume.as_ref().map(|_| Volume {
        name: BACKUPS.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: names.claim.clone(),
            read_only: None,
        }),
        ..Volume::default()
    });
    std::iter::once(settings).chain(backups).collect()
}

fn config(from: &str) -> VolumeProjection {
    VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: from.to_owned(),
            items: Some(vec![item(CONFIG_KEY, name(paths::CONFIG))]),
            optional: None,
        }),
        ..VolumeProjection::default()
    }
}

fn tls(from: &str) -> VolumeProjection {
    secret(from.to_owned(), &TLS_KEYS, name(paths::TLS), None)
}

/// Optional, for not every store has every key; a Secret that is missing is told by the operator.
fn credentials(from: String) -> VolumeProjection {
    secret(from, &CREDENTIALS_KEYS, name(paths::CREDENTIALS), Some(true))
}

fn secret(from: String, keys: &[&str], folder: &str, optional: Option<bool>) -> VolumeProjection {
    let items = keys.iter().map(|key| item(key, &format!("{folder}/{key}"))).collect();
    VolumeProjection {
        secret: Some(SecretProjection { name: from, items: Some(items), optional }),
        ..VolumeProjection::default()
    }
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath { key: key.into(), path: path.into(), mode: None }
}

/// The folder of a path.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
