//! Backups as the sidecar stores them, in a folder; and ways to spoil them.

use std::{path::PathBuf, sync::Arc};

use archive::{
    attempt::Attempt,
    digest::Digest,
    gzip::Compressor,
    layout::ArchivePath,
    manifest::{
        Cluster, Counts, EtcdId, FORMAT, GZIP, Manifest, Raw, Reason, Source,
        Stored as StoredObject,
    },
    store::{Patience, Store, files::Files},
};
use jiff::Timestamp;
use snapshot::Checker;
use tempfile::TempDir;

use crate::original::Original;

/// A store with one backup in it.
pub(crate) struct Stored {
    pub(crate) folder: TempDir,
    pub(crate) manifest: Manifest,
    pub(crate) digest: Digest,
}

impl Stored {
    /// A backup of that etcd, as it is now.
    pub(crate) async fn of(original: &Original) -> Self {
        let status = original.ctl(&["version"]);
        let version =
            status.lines().find_map(|line| line.strip_prefix("etcdctl version: ")).unwrap();
        Self::of_bytes(&original.snapshot(), version, |_| {}).await
    }

    /// A backup of those bytes; `change` may make the manifest say anything.
    pub(crate) async fn of_bytes(
        raw: &[u8],
        version: &str,
        change: impl FnOnce(&mut Manifest),
    ) -> Self {
        Self::of_other_bytes(raw, raw, version, change).await
    }

    /// A backup of the bytes `kept` with the sizes and digests of those, whose manifest says in
    /// everything else what is true of `whole`.
    pub(crate) async fn of_other_bytes(
        whole: &[u8],
        kept: &[u8],
        version: &str,
        change: impl FnOnce(&mut Manifest),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(Files::open(folder.path(), Patience::default()).unwrap());
        let (manifest, digest) = keep(store, whole, kept, version, change).await;
        Self { folder, manifest, digest }
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    pub(crate) fn id(&self) -> String {
        self.manifest.id.to_string()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join(archive().data(self.manifest.id).unwrap().as_str())
    }

    pub(crate) fn manifest_file(&self) -> PathBuf {
        self.folder.path().join(archive().manifest(self.manifest.id).unwrap().as_str())
    }
}

/// Stores a backup as [`Stored::of_other_bytes`] does, anywhere.
pub(crate) async fn keep(
    store: Arc<dyn Store>,
    whole: &[u8],
    kept: &[u8],
    version: &str,
    change: impl FnOnce(&mut Manifest),
) -> (Manifest, Digest) {
    let start: Timestamp = "2026-11-22T16:49:06Z".parse().unwrap();
    let attempt = Attempt::begin(store, archive(), start).await.unwrap();
    let stored = compressed(kept).await;
    let mut upload = attempt.upload(None).await.unwrap();
    upload.write(stored.clone().into()).await.unwrap();
    upload.finish().await.unwrap();
    let mut manifest = describe(whole, &stored, version, &attempt);
    manifest.raw.size = u64::try_from(kept.len()).unwrap();
    manifest.raw.sha256 = Digest::of(kept);
    change(&mut manifest);
    let digest = attempt.commit(&manifest).await.unwrap();
    (manifest, digest)
}

pub(crate) fn archive() -> ArchivePath {
    ArchivePath::new("orchard", "quince", "0e1f-77").unwrap()
}

async fn compressed(raw: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::default();
    let mut stored = compressor.push(raw.to_vec().into()).await.unwrap();
    stored.append(&mut compressor.finish().await.unwrap());
    stored.concat()
}

fn describe(raw: &[u8], stored: &[u8], version: &str, attempt: &Attempt) -> Manifest {
    let mut checker = Checker::new();
    checker.push(raw).unwrap();
    let contents = checker.finish().unwrap().contents;
    let none = serde_json::Map::new;
    let size = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap();
    Manifest {
        format: FORMAT,
        id: attempt.id(contents.revision),
        cluster: Cluster {
            namespace: "orchard".into(),
            name: "quince".into(),
            uid: "0e1f-77".into(),
            etcd_cluster_id: EtcdId(7),
            unknown: none(),
        },
        source: Source {
            member: "quince-0".into(),
            member_id: EtcdId(9),
            etcd_version: version.into(),
            cluster_version: contents.cluster_version,
            storage_version: contents.storage_version,
            unknown: none(),
        },
        revision: contents.revision,
        compact_revision: contents.compact_revision,
        raft_applied_index: contents.raft_applied_index,
        started: attempt.start(),
        finished: attempt.start(),
        raw: Raw { size: size(raw), sha256: Digest::of(raw), unknown: none() },
        stored: StoredObject {
            object: archive::layout::DATA.into(),
            size: size(stored),
            sha256: Digest::of(stored),
            encodings: vec![GZIP.into()],
            unknown: none(),
        },
        counts: Counts {
            buckets: contents.buckets,
            live_keys: contents.live_keys,
            unknown: none(),
        },
        members: Vec::new(),
        reason: Reason::OnDemand,
        request: None,
        keys_hash: None,
        auth_enabled: contents.auth_enabled,
        locked_until: None,
        spec: None,
        unknown: none(),
    }
}
