//! The archive as the server sees it: the list with its manifests, and what is done to backups.
//!
//! Manifests never change, so each is read once. Every list is made anew, because a second sidecar, or
//! a person, may have changed the archive meanwhile.

mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::sidecar::{StoredBackup, store_identity};
use archive::{
    Error, Result,
    catalogue::{self, Committed, Listed},
    digest::Digest,
    layout::{ArchivePath, BackupId},
    manifest::Manifest,
    store::{Reading, Span, Store},
};
use bytes::Bytes;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::timeout;

use super::clock::Clock;
use super::pins::Pins;
use crate::listing;

/// Listing thousands of backups for the first time takes seconds.
const LIST: Duration = Duration::from_mins(2);
/// See [`catalogue`]: a spec of 1.5 MB and some kilobytes.
const LARGEST_MANIFEST: u64 = 8 << 20;

/// One archive in a store.
#[derive(Debug)]
pub(crate) struct Stock {
    store: Arc<dyn Store>,
    archive: ArchivePath,
    /// The store's URL without its options.
    url: String,
    identity: String,
    known: Mutex<BTreeMap<(ArchivePath, BackupId), Arc<Known>>>,
    pins: Pins,
}

/// What is remembered of a backup.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    /// Where it lies.
    pub(crate) id: BackupId,
    /// As the API shows it.
    pub(crate) backup: StoredBackup,
    /// Until when the store is known to lock it.
    locked_until: Option<Timestamp>,
}

/// What is in the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Listing {
    /// This cluster's backups, newest first.
    pub(crate) own: Vec<Arc<Known>>,
    /// Those of earlier clusters of its name, those of one archive together.
    pub(crate) earlier: Vec<Arc<Known>>,
}

impl Stock {
    /// What this archive has; `url` is what the store is called.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        archive: ArchivePath,
        url: &str,
        clock: Clock,
    ) -> Self {
        let identity = store_identity(url);
        let url = url.split('?').next().unwrap_or(url).trim_end_matches('/').to_owned();
        let pins = Pins::new(clock);
        Self { store, archive, url, identity, known: Mutex::default(), pins }
    }

    /// Which store it is.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Lists the backups of this cluster and of all that bore its name. One that is damaged is shown
    /// as such; that one was deleted meanwhile is fine; any other trouble fails the list.
    pub(crate) async fn list(&self) -> Result<Listing> {
        within(LIST, "listing the backups", self.list_all()).await
    }

    async fn list_all(&self) -> Result<Listing> {
        let (namespace, cluster) = (self.archive.namespace(), self.archive.cluster());
        let listed = catalogue::list_of_name(&*self.store, namespace, cluster).await?;
        self.forget_all_but(&listed);
        let unknown = listed.iter().filter(|one| self.known_of(one).is_none()).cloned().collect();
        let mut odd = BTreeMap::new();
        let mut read = std::pin::pin!(catalogue::read_all(&self.store, unknown));
        while let Some((one, committed)) = read.next().await {
            match committed {
                Ok(committed) => drop(self.keep(&one.archive, &committed)),
                Err(Error::NotFound(_)) => {}
                Err(error @ (Error::Damaged { .. } | Error::UnknownFormat { .. })) => {
                    odd.insert((one.archive, one.id), error);
                }
                Err(error) => return Err(error),
            }
        }
        let mut listing = Listing::default();
        for one in &listed {
            let error = odd.remove(&(one.archive.clone(), one.id));
            let Some(known) = self.row(one, error.as_ref()) else { continue };
            let is_own = one.archive == self.archive;
            if is_own { &mut listing.own } else { &mut listing.earlier }.push(known);
        }
        Ok(listing)
    }

    /// A backup as the list and its manifest together tell it.
    fn row(&self, listed: &Listed, error: Option<&Error>) -> Option<Arc<Known>> {
        let known = match error {
            Some(error) => Arc::new(Known {
                id: listed.id,
                backup: listing::unreadable(&self.url, listed, error),
                locked_until: None,
            }),
            None => self.known_of(listed)?,
        };
        let backup = listing::with_findings(known.backup.clone(), listed);
        if backup == known.backup {
            return Some(known);
        }
        Some(Arc::new(Known { backup, ..Known::clone(&known) }))
    }

    fn known_of(&self, listed: &Listed) -> Option<Arc<Known>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(listed.archive.clone(), listed.id)).cloned()
    }

    fn forget_all_but(&self, listed: &[Listed]) {
        let there: BTreeSet<_> = listed.iter().map(|one| (&one.archive, one.id)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(archive, id), _| there.contains(&(archive, *id)));
    }

    /// Remembers a backup that was just stored.
    pub(crate) fn remember(&self, manifest: &Manifest, digest: Digest) -> Arc<Known> {
        self.keep(&self.archive, &Committed { manifest: manifest.clone(), digest })
    }

    fn keep(&self, archive: &ArchivePath, committed: &Committed) -> Arc<Known> {
        let manifest = &committed.manifest;
        let known = Arc::new(Known {
            id: manifest.id,
            backup: listing::stored(&self.url, archive, committed),
            locked_until: manifest.locked_until,
        });
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((archive.clone(), manifest.id), known.clone());
        known
    }

    /// Whether this UID, or none, means the cluster's own archive.
    pub(crate) fn is_own(&self, uid: Option<&str>) -> bool {
        uid.is_none_or(|uid| uid == self.archive.uid())
    }

    /// The archive of this UID under the cluster's name; without one, the cluster's own.
    fn archive_of(&self, uid: Option<&str>) -> Result<ArchivePath> {
        let Some(uid) = uid else { return Ok(self.archive.clone()) };
        ArchivePath::new(self.archive.namespace(), self.archive.cluster(), uid)
    }

    /// A backup's manifest with its digest.
    pub(crate) async fn committed(&self, id: BackupId, uid: Option<&str>) -> Result<Committed> {
        catalogue::read(&*self.store, &self.archive_of(uid)?, id).await
    }

    /// The bytes of a backup's manifest as they were written.
    pub(crate) async fn manifest(&self, id: BackupId, uid: Option<&str>) -> Result<Bytes> {
        let archive = self.archive_of(uid)?;
        let key = archive.manifest(id)?;
        self.store.head(&key).await?;
        // Before it is read: a backup that is deleted just now is not found then.
        self.pins.add(&*self.store, &archive, id).await;
        self.store.get(&key, Span::ALL).await?.bytes(LARGEST_MANIFEST).await
    }

    /// The stored bytes of a backup, from its manifest.
    pub(crate) async fn data(
        &self,
        manifest: &Manifest,
        uid: Option<&str>,
        span: Span,
    ) -> Result<Reading> {
        let archive = self.archive_of(uid)?;
        self.pins.add(&*self.store, &archive, manifest.id).await;
        let key = archive.object(manifest.id, &manifest.stored.object)?;
        self.store.get(&key, span).await
    }

    /// The database of a backup, decoded and checked on the way.
    pub(crate) async fn database(
        &self,
        manifest: &Manifest,
        uid: Option<&str>,
    ) -> Result<archive::download::Download> {
        let archive = self.archive_of(uid)?;
        self.pins.add(&*self.store, &archive, manifest.id).await;
        archive::download::Download::open(self.store.clone(), &archive, manifest)
    }
}

/// A call of many that must come to an end.
async fn within<T>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    let end = timeout(limit, call).await;
    end.unwrap_or_else(|_| Err(Error::Timeout(format!("{what} ({limit:?})"))))
}
