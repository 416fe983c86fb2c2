//! How the sidecar, or a restore's reader, is called: its address, and the Secrets that it takes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use api::{objects, ports};
use jiff::SignedDuration;
use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};

use super::Attendant;
use super::room::Known;
use crate::backup::client::SidecarClient;
use crate::backup::links::Seen;
use crate::backup::policy::ValidatedBackup;
use crate::backup::secrets::{Identity, Secrets};
use crate::clock;
use crate::error::Error;
use crate::observe::is_owned;

/// How long what was seen of Secrets is believed; nobody watches them.
const BELIEVED: SignedDuration = SignedDuration::from_mins(5);
/// The same while backups fail: somebody may be mending the credentials.
const BELIEVED_IN_TROUBLE: SignedDuration = SignedDuration::from_secs(10);

impl Attendant<'_> {
    /// Sees to the Secrets, unless that was done a while ago; which version of the credentials the
    /// sidecar shall have.
    pub(super) async fn secrets(&self, backup: &ValidatedBackup) -> Result<Option<String>, Error> {
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
    pub(super) async fn follow(&self) -> Result<Seen, Error> {
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
    fn cached<K>(&self, cache: &Store<K>) -> Option<Arc<K>>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        let name = objects::backup_sidecar(&self.cluster.name.name);
        let there = cache.get(&ObjectRef::new(&name).within(&self.cluster.name.namespace))?;
        is_owned(there.meta(), &self.cluster.uid).then_some(there)
    }
}
