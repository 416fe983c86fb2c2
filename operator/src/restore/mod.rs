//! `spec.restore`: which backup a new cluster begins with, and how it gets it.
//!
//! ```text
//! spec.restore ──> wish ──> reader (pod, Service, ConfigMap, Secret) ──> its list ──> choice ──> Source
//!                                └── the first member's restore-init fetches the backup from it
//! ```
//!
//! The operator opens no store. A reader, `etcd-backup-sidecar serve --read-only`, is started in the
//! new cluster's namespace on the volume or with the credentials that the spec names there; it serves
//! nobody but this cluster, and never writes to what it reads. It goes once the cluster serves.

mod choice;
mod reader;
mod wish;

use std::net::{IpAddr, SocketAddr};

use api::{objects, ports};
use kube::runtime::reflector::ObjectRef;
use planner::Source;

use self::choice::{Choice, choose};
use self::reader::Reader;
use self::wish::Wish;
use crate::backup::{Attendant, SidecarClient};
use crate::error::Error;
use crate::observe::{Chosen, Sight, is_owned};

pub use self::choice::uid_in;

/// Whether the data of this cluster is still to come from what `spec.restore` names.
pub fn is_wanted(sight: &Sight) -> bool {
    sight.cluster.spec.restore.is_some() && !sight.observed.has_served()
}

/// Looks for the backup; what was chosen of which is noted in the sight. Of no meaning once the
/// choice is recorded.
pub async fn find(sight: &mut Sight, attendant: &Attendant<'_>) {
    if !is_wanted(sight) || sight.observed.record.restore.is_some() {
        return;
    }
    let (source, chosen) = match wish(sight, attendant) {
        Err(sentence) => (Source::Missing(sentence), None),
        Ok(wish) => match listed(&wish, sight, attendant).await {
            Err(why) => (Source::Unresolved(why), None),
            Ok(Choice::None(sentence)) => (Source::Missing(sentence), None),
            Ok(Choice::One { backup, before, told, highest }) => {
                (Source::Found { backup: *backup, before }, Some(Chosen { told, highest }))
            }
        },
    };
    sight.observed.source = source;
    sight.chosen = chosen;
}

/// Brings the reader about while it is needed, and takes it away afterwards.
pub async fn attend(sight: &Sight, attendant: &Attendant<'_>) -> Result<(), Error> {
    let reader = Reader { attendant };
    if !is_wanted(sight) {
        return reader.clear().await;
    }
    match wish(sight, attendant) {
        Ok(wish) => reader.ensure(&wish).await,
        // The status says what is wrong with it.
        Err(_) => Ok(()),
    }
}

fn wish(sight: &Sight, attendant: &Attendant<'_>) -> Result<Wish, String> {
    let backups = attendant.caches.backups.state_filter(|backup| {
        kube::ResourceExt::namespace(backup).as_deref() == Some(sight.name.namespace.as_str())
    });
    let backup = |name: &str| {
        let mut named = backups.iter().filter_map(|backup| backup.0.as_ref().ok());
        named.find(|backup| kube::ResourceExt::name_any(*backup) == name)
    };
    wish::read(&sight.cluster, &attendant.room.defaults, backup)
}

/// What the reader lists, of which one is chosen; an error is what is waited for.
async fn listed(wish: &Wish, sight: &Sight, at: &Attendant<'_>) -> Result<Choice, String> {
    let state = || reader::state(at.caches, sight, &at.cluster.uid);
    if !(Reader { attendant: at }).is_there(wish) {
        return Err(state());
    }
    let reader = client(at).await?;
    let all = reader.all_backups().await.map_err(|error| format!("{}: {error}", state()))?;
    Ok(choose(wish, &all.backups))
}

async fn client(at: &Attendant<'_>) -> Result<SidecarClient, String> {
    let name = &at.cluster.name;
    let key = ObjectRef::new(&objects::restore_reader(&name.name)).within(&name.namespace);
    let service = at.caches.services.get(&key);
    let service = service.filter(|service| is_owned(&service.metadata, &at.cluster.uid));
    let ip = service.and_then(|service| service.spec.as_ref()?.cluster_ip.clone());
    let ip: Option<IpAddr> = ip.and_then(|ip| ip.parse().ok());
    let ip = ip.ok_or("a reader for the backups is being made")?;
    let host = objects::restore_reader_host(&name.name, &name.namespace);
    let client = at.caller(SocketAddr::new(ip, ports::SIDECAR), &host).await;
    client.map_err(|error| error.sentence())?.ok_or_else(|| "its certificate is being made".into())
}
