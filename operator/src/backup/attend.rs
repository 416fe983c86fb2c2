//! Brings about what backups need, or takes it away, and follows the sidecar.
//!
//! Nothing here is destructive: the claim and what lies on it, and the store, are never touched. The
//! finalizer is put on first and taken off last, so it marks that something of this may be there.

mod room;
mod sidecar;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api::sidecar::store_identity;
use api::{finalizers, objects};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Client;
use kube::runtime::reflector::ObjectRef;

pub use self::room::Room;

use super::build::{self, Versions};
use super::finalizer;
use super::links::{Key, Seen};
use super::policy::{self, ValidatedBackup, Volume};
use super::records::Recorder;
use super::secrets::Secrets;
use super::volume::Claim;
use crate::caches::Caches;
use crate::error::Error;
use crate::objects::ensure_one;
use crate::observe::Sight;
use crate::removal::remove;
use crate::validate::Validated;

/// What the spec wants of backups.
#[derive(Debug)]
pub enum Wanted {
    /// No policy.
    Nothing,
    /// A policy that cannot be carried out, and what to write instead.
    Invalid(String),
    /// Backups like this.
    Valid(Box<ValidatedBackup>),
}

/// What came of it.
pub struct Attended {
    /// What the spec wants.
    pub wanted: Wanted,
    /// What the sidecar said last.
    pub seen: Seen,
    /// What could not be done.
    pub trouble: Option<Error>,
    /// What the backup volume could not be given, as a sentence.
    pub shortage: Option<String>,
}

/// Attends to the backups of one cluster.
pub struct Attendant<'a> {
    /// The Kubernetes API.
    pub client: &'a Client,
    /// What the watches have seen.
    pub caches: &'a Caches,
    /// What the backups of all clusters share.
    pub room: &'a Room,
    /// The cluster.
    pub cluster: &'a Validated,
}

impl Attendant<'_> {
    /// Looks after the backups; with `may_change`, brings about what is missing. The object in
    /// `sight` is replaced when its finalizers change. Never fails: what failed is told.
    pub async fn attend(&self, sight: &mut Sight, may_change: bool) -> Attended {
        let wanted = match policy::validate(&sight.cluster, &self.room.defaults) {
            None => Wanted::Nothing,
            Some(Err(sentence)) => Wanted::Invalid(sentence),
            Some(Ok(backup)) => Wanted::Valid(Box::new(backup)),
        };
        let done = match &wanted {
            Wanted::Nothing if may_change => self.clear(sight).await,
            Wanted::Valid(backup) if may_change => self.ensure(sight, backup).await,
            _ => Ok(()),
        };
        let (seen, followed) = match &wanted {
            Wanted::Nothing => (Seen::default(), Ok(())),
            _ => match self.follow().await {
                Ok(seen) => (seen, Ok(())),
                Err(error) => (Seen::default(), Err(error)),
            },
        };
        let mut shortage = None;
        if let Wanted::Valid(backup) = &wanted {
            self.record(backup, &seen).await;
            shortage = backup.volume.as_ref().and_then(|volume| self.shortage(volume));
        }
        Attended { wanted, seen, trouble: done.and(followed).err(), shortage }
    }

    fn shortage(&self, volume: &Volume) -> Option<String> {
        self.room.refusals.sentence(&self.cluster.uid, volume)
    }

    /// Brings the `Backup` objects to what is stored. A record that could not be written is written
    /// by a later look, and is no reason to call the backups unhealthy.
    async fn record(&self, backup: &ValidatedBackup, seen: &Seen) {
        let is_now = seen.silence.is_none() && seen.unlisted.is_none();
        let Some(stored) = seen.backups.as_ref().filter(|_| is_now) else { return };
        let Some(sidecar) = self.room.links.client(&self.cluster.uid) else { return };
        let (client, caches, cluster) = (self.client, self.caches, self.cluster);
        let recorder = Recorder { client, caches, cluster, store: store_identity(&backup.store) };
        match recorder.keep(stored, &sidecar).await {
            Ok(false) | Err(Error::Conflict { .. }) => {}
            Ok(true) => self.room.links.nudge(&self.key()),
            Err(error) => {
                tracing::warn!(
                    namespace = cluster.name.namespace,
                    name = cluster.name.name,
                    error = error.sentence(),
                    "backups could not be recorded"
                );
            }
        }
    }

    fn key(&self) -> Key {
        ObjectRef::new(&self.cluster.name.name).within(&self.cluster.name.namespace)
    }

    async fn ensure(&self, sight: &mut Sight, backup: &ValidatedBackup) -> Result<(), Error> {
        if !finalizer::is_on(sight.cluster.as_ref(), finalizers::FINAL_BACKUP) {
            let marked =
                finalizer::put_on(self.client, sight.cluster.as_ref(), finalizers::FINAL_BACKUP);
            sight.cluster = Arc::new(marked.await?);
        }
        let credentials = self.secrets(backup).await?;
        if let Some(volume) = &backup.volume {
            let claim = Claim::new(self.client, self.cluster);
            claim.ensure(&self.caches.claims, volume, &self.room.refusals).await?;
        }
        let (map, config) = build::config_map(&sight.cluster, self.cluster, backup);
        let versions = Versions { config, credentials };
        let image = &self.room.defaults.sidecar_image;
        let deployment = build::deployment(self.cluster, backup, &versions, image);
        let service = build::service(self.cluster);
        let (client, caches, cluster) = (self.client, self.caches, self.cluster);
        ensure_one(client, &caches.config_maps, cluster, map).await?;
        ensure_one(client, &caches.services, cluster, service).await?;
        // Last, for its pod needs the others.
        ensure_one(client, &caches.deployments, cluster, deployment).await
    }

    /// Takes away the sidecar and what it needs. Backups, and the claim with those on it, stay.
    async fn clear(&self, sight: &mut Sight) -> Result<(), Error> {
        if !finalizer::is_on(sight.cluster.as_ref(), finalizers::FINAL_BACKUP) {
            return Ok(());
        }
        self.room.forget(&self.cluster.uid);
        let (client, cluster) = (self.client, self.cluster);
        let name = objects::backup_sidecar(&cluster.name.name);
        remove::<Deployment>(client, cluster, &name).await?;
        remove::<Service>(client, cluster, &name).await?;
        remove::<ConfigMap>(client, cluster, &name).await?;
        Secrets::new(self.client, self.cluster).remove().await?;
        let object = sight.cluster.as_ref();
        if let Some(cluster) =
            finalizer::take_off(self.client, object, finalizers::FINAL_BACKUP).await?
        {
            sight.cluster = Arc::new(cluster);
        }
        Ok(())
    }
}
