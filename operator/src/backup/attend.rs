//! Brings about what backups need, or takes it away, and follows the sidecar.
//!
//! Nothing here is destructive: the claim and what lies on it, and the store, are never touched. The
//! finalizer is put on first and taken off last, so it marks that something of this may be there.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use api::sidecar::store_identity;
use api::{finalizers, objects, ports};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{DeleteParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::build::{self, Versions};
use super::client::SidecarClient;
use super::defaults::Defaults;
use super::finalizer;
use super::links::{Key, Links, Seen};
use super::policy::{self, Credentials, ValidatedBackup, Volume};
use super::records::Recorder;
use super::secrets::{Identity, Secrets};
use super::volume::{Claim, Refusals};
use crate::caches::Caches;
use crate::call::{is_not_found, within};
use crate::clock;
use crate::error::Error;
use crate::objects::ensure_one;
use crate::observe::{Sight, is_owned};
use crate::validate::Validated;

/// How long what was seen of Secrets is believed; nobody watches them.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);
/// The same while backups fail: somebody may be mending the credentials.
const BELIEVED_IN_TROUBLE: SignedDuration = SignedDuration::from_secs(10);

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

/// What the backups of all clusters share.
pub struct Room {
    /// How the operator was started.
    pub defaults: Defaults,
    /// The links to the sidecars.
    pub links: Links,
    refusals: Refusals,
    secrets: Mutex<HashMap<String, Known>>,
}

/// What is known of a cluster's Secrets. Comfort: after a restart they are read again.
#[derive(Clone)]
struct Known {
    at: Timestamp,
    wanted: Option<Credentials>,
    credentials: Option<String>,
    identity: Identity,
    client: Option<(SocketAddr, Arc<SidecarClient>)>,
}

impl Room {
    /// Nothing is known yet.
    pub fn new(defaults: Defaults, links: Links) -> Self {
        Self { defaults, links, refusals: Refusals::default(), secrets: Mutex::default() }
    }

    fn known(&self, uid: &str) -> Option<Known> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    fn learn(&self, uid: &str, known: Known) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.into(), known);
    }

    fn forget(&self, uid: &str) {
        self.keep(|other| other != uid);
    }

    /// Forgets all clusters but these.
    pub fn keep(&self, is_there: impl Fn(&str) -> bool) {
        self.links.keep(&is_there);
        self.refusals.keep(&is_there);
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.retain(|uid, _| is_there(uid));
    }
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

    /// Sees to the Secrets, unless that was done a while ago; which version of the credentials the
    /// sidecar shall have.
    async fn secrets(&self, backup: &ValidatedBackup) -> Result<Option<String>, Error> {
        let (now, uid) = (clock::now(), &self.cluster.uid);
        let known = self.room.known(uid);
        let believed = if self.room.links.is_failing(uid) { BELIEVED_IN_TROUBLE } else { BELIEVED };
        if let Some(known) = &known
            && known.wanted.as_ref() == Some(&backup.credentials)
            && now.duration_since(known.at) < believed
        {
            return Ok(known.credentials.clone());
        }
        let secrets = Secrets::new(self.client, self.cluster);
        let ready = secrets.ensure(backup, &self.room.defaults.namespace, now).await?;
        let credentials = ready.credentials.clone();
        let is_same = |known: &Known| known.identity == ready.identity;
        self.room.learn(
            uid,
            Known {
                at: now,
                wanted: Some(backup.credentials.clone()),
                credentials: ready.credentials,
                client: known.filter(is_same).and_then(|known| known.client),
                identity: ready.identity,
            },
        );
        Ok(credentials)
    }

    /// Follows the sidecar, if it has an address and there is something to call it with.
    async fn follow(&self) -> Result<Seen, Error> {
        let Some(client) = self.sidecar().await? else { return Ok(Seen::default()) };
        Ok(self.room.links.follow(&self.key(), &self.cluster.uid, &client, self.is_available()))
    }

    /// The client for the sidecar; `None` while it has no address or no certificate.
    pub async fn sidecar(&self) -> Result<Option<Arc<SidecarClient>>, Error> {
        let (name, uid) = (&self.cluster.name, &self.cluster.uid);
        let Some(address) = self.address() else { return Ok(None) };
        let Some(mut known) = self.known().await? else { return Ok(None) };
        if let Some((same, client)) = &known.client
            && *same == address
        {
            return Ok(Some(Arc::clone(client)));
        }
        let host = objects::backup_sidecar_host(&name.name, &name.namespace);
        let Identity { trusted, own } = &known.identity;
        let client = SidecarClient::new(address, &host, trusted, own)
            .map_err(|source| Error::Sidecar { what: "preparing to call it", source })?;
        let client = Arc::new(client);
        known.client = Some((address, Arc::clone(&client)));
        self.room.learn(uid, known);
        Ok(Some(client))
    }

    /// A client for another address of this cluster's: a restore's reader. `None` while there is no
    /// certificate.
    pub async fn caller(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> Result<Option<SidecarClient>, Error> {
        let Some(Known { identity: Identity { trusted, own }, .. }) = self.known().await? else {
            return Ok(None);
        };
        let client = SidecarClient::new(address, host, &trusted, &own);
        let what = "preparing to call the reader";
        client.map(Some).map_err(|source| Error::Sidecar { what, source })
    }

    /// Sees to the Secrets of a restore's reader, and to that of whoever calls it.
    pub async fn reader_secrets(&self, place: &ValidatedBackup) -> Result<(), Error> {
        let (now, operators) = (clock::now(), &self.room.defaults.namespace);
        let secrets = Secrets::new(self.client, self.cluster);
        secrets.ensure(place, operators, now).await?;
        secrets.ensure_reader(operators, now).await
    }

    /// Deletes the Secret of a restore's reader.
    pub async fn remove_reader_secret(&self) -> Result<(), Error> {
        Secrets::new(self.client, self.cluster).remove_reader().await
    }

    /// What is known of the Secrets; the certificate is read if nothing is.
    async fn known(&self) -> Result<Option<Known>, Error> {
        if let Some(known) = self.room.known(&self.cluster.uid) {
            return Ok(Some(known));
        }
        let identity = Secrets::new(self.client, self.cluster).identity().await?;
        let at = clock::now();
        let known =
            |identity| Known { at, wanted: None, credentials: None, identity, client: None };
        Ok(identity.map(known))
    }

    fn address(&self) -> Option<SocketAddr> {
        let service = self.cached(&self.caches.services)?;
        let ip: IpAddr = service.spec.as_ref()?.cluster_ip.as_deref()?.parse().ok()?;
        Some(SocketAddr::new(ip, ports::SIDECAR))
    }

    fn is_available(&self) -> bool {
        let deployment = self.cached(&self.caches.deployments);
        let status = deployment.as_ref().and_then(|deployment| deployment.status.as_ref());
        status.and_then(|status| status.available_replicas).unwrap_or_default() > 0
    }

    /// The sidecar's object of one kind, if it is this cluster's.
    fn cached<K>(&self, cache: &kube::runtime::reflector::Store<K>) -> Option<Arc<K>>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        let name = objects::backup_sidecar(&self.cluster.name.name);
        let there = cache.get(&ObjectRef::new(&name).within(&self.cluster.name.namespace))?;
        is_owned(there.meta(), &self.cluster.uid).then_some(there)
    }

    /// Takes away the sidecar and what it needs. Backups, and the claim with those on it, stay.
    async fn clear(&self, sight: &mut Sight) -> Result<(), Error> {
        if !finalizer::is_on(sight.cluster.as_ref(), finalizers::FINAL_BACKUP) {
            return Ok(());
        }
        self.room.forget(&self.cluster.uid);
        self.delete::<Deployment>().await?;
        self.delete::<Service>().await?;
        self.delete::<ConfigMap>().await?;
        Secrets::new(self.client, self.cluster).remove().await?;
        let object = sight.cluster.as_ref();
        if let Some(cluster) =
            finalizer::take_off(self.client, object, finalizers::FINAL_BACKUP).await?
        {
            sight.cluster = Arc::new(cluster);
        }
        Ok(())
    }

    async fn delete<K>(&self) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = self.api::<K>();
        let name = objects::backup_sidecar(&self.cluster.name.name);
        let there = within("reading an object", api.get_opt(&name)).await?;
        let Some(there) = there.filter(|there| is_owned(there.meta(), &self.cluster.uid)) else {
            return Ok(());
        };
        tracing::info!(kind = %K::kind(&()), name, "deleting, for there is no backup policy any more");
        let same = Preconditions { uid: there.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(same);
        match within("deleting an object", api.delete(&name, &params)).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.cluster.name.namespace)
    }
}
