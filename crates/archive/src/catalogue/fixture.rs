//! Backups for tests.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Map;

use crate::{
    digest::Digest,
    layout::{ArchivePath, BackupId, DATA},
    manifest::{
        Cluster, Counts, EtcdId, FORMAT, GZIP, Manifest, Member, Raw, Reason, Source, Stored,
    },
    store::Store,
};

pub(crate) fn archive() -> ArchivePath {
    ArchivePath::new("prod", "orders", "0e1f-77").unwrap()
}

/// A time of 2026-11-22: `16:49:06`.
pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-11-22T{time}Z").parse().unwrap()
}

/// A whole manifest of [`archive`], with values that differ from defaults.
pub(crate) fn manifest(revision: u64, started: &str) -> Manifest {
    let started: Timestamp = started.parse().unwrap();
    let unknown = Map::new;
    Manifest {
        format: FORMAT,
        id: BackupId::new(revision, started),
        cluster: Cluster {
            namespace: "prod".into(),
            name: "orders".into(),
            uid: "0e1f-77".into(),
            etcd_cluster_id: EtcdId(0xcdf81),
            unknown: unknown(),
        },
        source: Source {
            member: "orders-0001".into(),
            member_id: EtcdId(0x8e9e),
            etcd_version: "3.6.16".into(),
            cluster_version: Some("3.6.0".into()),
            storage_version: Some("3.6.0".into()),
            unknown: unknown(),
        },
        revision,
        compact_revision: revision / 2,
        raft_applied_index: revision + 40,
        started,
        finished: started + jiff::SignedDuration::from_secs(20),
        raw: Raw { size: 5, sha256: Digest::of(b"plums"), unknown: unknown() },
        stored: Stored {
            object: DATA.into(),
            size: 13,
            sha256: Digest::of(b"gzipped"),
            encodings: vec![GZIP.into()],
            unknown: unknown(),
        },
        counts: Counts {
            buckets: [("key".to_owned(), 12)].into(),
            live_keys: Some(9),
            unknown: unknown(),
        },
        members: vec![Member {
            id: EtcdId(0x8e9e),
            name: "orders-0001".into(),
            peer_urls: vec!["http://10.1.2.3:2380".into()],
            client_urls: vec!["http://10.1.2.3:2379".into()],
            is_learner: false,
            unknown: unknown(),
        }],
        reason: Reason::OnDemand,
        request: Some("order-7".into()),
        keys_hash: Some(0x8e9e_cdf8),
        auth_enabled: true,
        locked_until: None,
        spec: Some(serde_json::json!({"size": 3})),
        unknown: unknown(),
    }
}

/// Stores an object.
pub(crate) async fn put(store: &dyn Store, key: crate::key::Key, bytes: &'static str) {
    store.put_if_absent(&key, Bytes::from_static(bytes.as_bytes()), None).await.unwrap();
}

/// Stores a whole backup of [`archive`].
pub(crate) async fn store(store: &dyn Store, revision: u64, time: &str) -> BackupId {
    let manifest = manifest(revision, &at(time).to_string());
    let id = manifest.id;
    put(store, archive().object(id, crate::layout::ATTEMPT).unwrap(), "{}").await;
    put(store, archive().data(id).unwrap(), "plums in gzip").await;
    let bytes = manifest.to_bytes().unwrap();
    store.put_if_absent(&archive().manifest(id).unwrap(), bytes, None).await.unwrap();
    id
}
