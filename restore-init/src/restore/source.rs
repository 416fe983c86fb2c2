//! Finding the backup, and pinning it: from here on it is this one and no other.

use std::sync::Arc;

use archive::{
    catalogue::{self, Committed, Listed},
    digest::Digest,
    download::{self, Download, Origin},
    layout::{ArchivePath, BackupId},
    manifest::Manifest,
    store::{Patience, Store},
};

use jiff::Timestamp;

use super::{
    config::{Config, From},
    problem::Problem,
    sidecar::Sidecar,
};

/// A backup, the way to its data, and what else there was.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub manifest: Manifest,
    /// SHA-256 of the manifest's bytes.
    pub digest: Digest,
    way: Way,
    was_asked_for_by_name: bool,
}

#[derive(Debug)]
enum Way {
    Store(Arc<dyn Store>, ArchivePath),
    Sidecar(Arc<Sidecar>, Option<String>),
}

impl Chosen {
    /// Begins to read its data, whose raw digest is left to whoever takes them.
    pub(crate) fn download(&self) -> Result<Download, Problem> {
        let origin: Arc<dyn Origin> = match &self.way {
            Way::Store(store, archive) => download::object(store.clone(), archive, &self.manifest)?,
            Way::Sidecar(sidecar, uid) => Arc::new(sidecar.data(&self.manifest, uid.as_deref())),
        };
        Ok(Download::unproven(origin, &self.manifest)?)
    }

    /// Which it is, in a sentence.
    pub(crate) fn described(&self) -> String {
        let Manifest { id, cluster, source, started, raw, stored, .. } = &self.manifest;
        let how = if self.was_asked_for_by_name { "as asked for" } else { "the newest" };
        let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
        format!(
            "restoring backup {id} ({how}) of {}/{} (UID {}), begun {started} on etcd {}: {} MB, stored \
             in {} MB",
            cluster.namespace,
            cluster.name,
            cluster.uid,
            source.etcd_version,
            megabytes(raw.size),
            megabytes(stored.size),
        )
    }
}

/// The backup that is meant, with its manifest.
pub(crate) async fn choose(config: &Config) -> Result<Chosen, Problem> {
    let (committed, way) = match &config.from {
        From::Store { location, namespace, cluster } => {
            let store = location.open(Patience::default()).await?;
            in_store(config, store, namespace, cluster).await?
        }
        From::Sidecar { url, tls_dir } => {
            let sidecar = Arc::new(Sidecar::new(url.clone(), tls_dir)?);
            let (committed, uid) = sidecar.find(config.backup, config.uid.as_deref()).await?;
            (committed, Way::Sidecar(sidecar, uid))
        }
    };
    let Committed { manifest, digest } = committed;
    if config.manifest_digest.is_some_and(|asked| asked != digest) {
        let [backup, found] = [manifest.id.to_string(), digest.to_string()];
        return Err(Problem::OtherManifest { backup, found });
    }
    Ok(Chosen { manifest, digest, way, was_asked_for_by_name: config.backup.is_some() })
}

async fn in_store(
    config: &Config,
    store: Arc<dyn Store>,
    namespace: &str,
    cluster: &str,
) -> Result<(Committed, Way), Problem> {
    let (archive, id) = match (config.backup, &config.uid) {
        // Pinned: nothing is listed, so it needs no right to list.
        (Some(id), Some(uid)) => (ArchivePath::new(namespace, cluster, uid)?, id),
        (asked, _) => listed(config, &*store, namespace, cluster, asked).await?,
    };
    // Retention leaves a backup alone that is being read, whoever prunes there.
    if let Err(error) = catalogue::want(&*store, &archive, id, now()).await {
        eprintln!("it could not be noted that {id} is read, so do not prune there now: {error}");
    }
    let committed = catalogue::read(&*store, &archive, id).await?;
    Ok((committed, Way::Store(store, archive)))
}

async fn listed(
    config: &Config,
    store: &dyn Store,
    namespace: &str,
    cluster: &str,
    asked: Option<BackupId>,
) -> Result<(ArchivePath, BackupId), Problem> {
    let mut backups = catalogue::list_of_name(store, namespace, cluster).await?;
    backups.retain(|backup| config.uid.as_deref().is_none_or(|uid| backup.archive.uid() == uid));
    let found = match asked {
        Some(id) => catalogue::by_id(&backups, id, config.uid.as_deref())?.clone(),
        None => newest(store, &backups).await?.ok_or_else(|| {
            Problem::NoBackup(format!(
                "{} holds no backup of {namespace}/{cluster}; check --from, --namespace, --cluster and --uid",
                store.name()
            ))
        })?,
    };
    say_what_else(&backups, &found);
    Ok((found.archive, found.id))
}

#[expect(clippy::disallowed_methods, reason = "the edge: a note beside the backup bears the time")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// The newest with which nothing is known to be wrong. It says which newer ones there are. When something
/// is wrong with all, what it is with the newest is found while it is read.
async fn newest(store: &dyn Store, backups: &[Listed]) -> Result<Option<Listed>, Problem> {
    let Some(newest) = catalogue::newest_whole(store, backups).await? else {
        return Ok(catalogue::newest(backups).cloned());
    };
    for (id, flaw) in &newest.passed_over {
        eprintln!("the newer backup {id} is passed over: {flaw}");
    }
    Ok(Some(newest.listed))
}

/// Which clusters else have borne the name: nobody should restore the wrong one unawares.
fn say_what_else(backups: &[Listed], found: &Listed) {
    let mut others: Vec<_> = backups.iter().map(|backup| backup.archive.uid()).collect();
    others.sort_unstable();
    others.dedup();
    others.retain(|uid| *uid != found.archive.uid());
    if !others.is_empty() {
        eprintln!(
            "earlier clusters of this name have backups too; --uid chooses: {}",
            others.join(", ")
        );
    }
}
