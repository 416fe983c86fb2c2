//! `spec.restore`: which backup a new cluster begins with, and how it gets it. It is gone back to once
//! more if the cluster loses everything before any backup of its own was stored.
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

use api::sidecar::StoredBackup;
use api::v1beta1::PinnedBackup;
use api::{objects, ports};
use kube::runtime::reflector::ObjectRef;
use planner::{Archive, Source, Stage, is_all_lost};

use self::choice::{Choice, choose, same};
use self::reader::Reader;
use self::wish::Wish;
use crate::backup::{Attendant, SidecarClient};
use crate::error::Error;
use crate::observe::{Chosen, Sight, is_owned};

pub use self::choice::uid_in;

/// Whether data of this cluster is still to come from what `spec.restore` names.
pub fn is_wanted(sight: &Sight) -> bool {
    let is_new = !sight.observed.has_served();
    let wants = || is_new || is_read(sight) || origin(sight).is_some();
    sight.cluster.spec.restore.is_some() && wants()
}

/// Whether a backup lies in the archive of another cluster than the one with this UID.
pub fn is_of_another(location: &str, uid: &str) -> bool {
    uid_in(location).is_some_and(|other| other != uid)
}

/// Whether the restore that is under way reads the backup of another cluster.
fn is_read(sight: &Sight) -> bool {
    let stage = sight.observed.record.restore.as_ref().map(|restore| &restore.stage);
    let uid = sight.cluster.metadata.uid.as_deref().unwrap_or_default();
    matches!(stage, Some(Stage::Restoring { backup, .. }) if is_of_another(&backup.location, uid))
}

/// The backup that this cluster began with, if everything is lost and nothing of its own was ever
/// stored. That its archive holds nothing now does not say so: it may have been moved.
fn origin(sight: &Sight) -> Option<&PinnedBackup> {
    let status = sight.cluster.status.as_ref()?;
    let last = status.last_restore.as_ref().filter(|last| !last.backed_up)?;
    let uid = sight.cluster.metadata.uid.as_deref()?;
    let has_none =
        matches!(&sight.observed.archive, Archive::Known { backups, .. } if backups.is_empty());
    let is_it = has_none && is_of_another(&last.backup.location, uid);
    (is_it && status.restore.is_none() && is_all_lost(&sight.observed)).then_some(&last.backup)
}

/// Looks for the backup; what was chosen of which is noted in the sight. Of no meaning once the
/// choice is recorded.
pub async fn find(sight: &mut Sight, attendant: &Attendant<'_>) {
    let origin = origin(sight).cloned();
    if sight.observed.record.restore.is_some() || (origin.is_none() && !is_wanted(sight)) {
        return;
    }
    let choice = match wish(sight, attendant) {
        Err(sentence) => Ok(Choice::None(sentence)),
        Ok(wish) => listed(&wish, sight, attendant).await.map(|all| match &origin {
            Some(origin) => same(&wish, origin, &all),
            None => choose(&wish, &all),
        }),
    };
    (sight.observed.source, sight.chosen) = match (choice, origin) {
        (Err(why), _) => (Source::Unresolved(why), None),
        (Ok(Choice::None(sentence)), None) => (Source::Missing(sentence), None),
        (Ok(Choice::None(sentence)), Some(origin)) => {
            (Source::Missing(began_with(&origin, &sentence)), None)
        }
        (Ok(Choice::One { backup, before, told, highest }), _) => {
            (Source::Found { backup: *backup, before }, Some(Chosen { told, highest }))
        }
    };
}

/// Where a person finds it, and why it is not restored.
fn began_with(origin: &PinnedBackup, why: &str) -> String {
    let PinnedBackup { id, location, .. } = origin;
    format!("it began with backup {id} at {location}, which is not restored again: {why}")
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

/// What the reader lists; an error is what is waited for.
async fn listed(
    wish: &Wish,
    sight: &Sight,
    at: &Attendant<'_>,
) -> Result<Vec<StoredBackup>, String> {
    let state = || reader::state(at.caches, sight, &at.cluster.uid);
    if !(Reader { attendant: at }).is_there(wish) {
        return Err(state());
    }
    let reader = client(at).await?;
    let all = reader.all_backups().await.map_err(|error| format!("{}: {error}", state()))?;
    Ok(all.backups)
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
