//! The manifest of a backup that was just taken.

use archive::{
    attempt::Attempt,
    digest::Digest,
    layout::{ArchivePath, DATA},
    manifest::{Cluster, Counts, EtcdId, FORMAT, GZIP, Manifest, Member, Raw, Source, Stored},
};
use jiff::Timestamp;
use serde_json::{Map, Value};
use snapshot::Contents;

use crate::{pipeline::Streamed, serve::Job, source::Seen};

/// Everything that is known once the data is stored.
pub(super) struct Facts<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) archive: &'a ArchivePath,
    pub(super) source: &'a Seen,
    pub(super) streamed: Streamed,
    pub(super) job: &'a Job,
    pub(super) finished: Timestamp,
    pub(super) lock_until: Option<Timestamp>,
    pub(super) keys_hash: Option<u32>,
    pub(super) spec: Option<Value>,
}

pub(super) fn manifest(facts: Facts<'_>) -> Manifest {
    let Facts { attempt, archive, source, streamed, job, finished, lock_until, keys_hash, spec } =
        facts;
    let Streamed { checked, stored_size, stored_sha256 } = streamed;
    let contents = checked.contents;
    Manifest {
        format: FORMAT,
        id: attempt.id(contents.revision),
        cluster: cluster(archive, source),
        source: member(source, &contents),
        revision: contents.revision,
        compact_revision: contents.compact_revision,
        raft_applied_index: contents.raft_applied_index,
        started: attempt.start(),
        // The second of two in one second has the name of the next, which it may end before.
        finished: finished.max(attempt.start()),
        raw: Raw { size: checked.size, sha256: Digest::from(checked.sha256), unknown: Map::new() },
        stored: Stored {
            object: DATA.to_owned(),
            size: stored_size,
            sha256: stored_sha256,
            encodings: vec![GZIP.to_owned()],
            unknown: Map::new(),
        },
        counts: Counts {
            buckets: contents.buckets,
            live_keys: contents.live_keys,
            unknown: Map::new(),
        },
        members: contents.members.into_iter().map(listed).collect(),
        reason: job.reason,
        request: job.request.clone(),
        keys_hash,
        auth_enabled: contents.auth_enabled,
        locked_until: lock_until,
        spec,
        unknown: Map::new(),
    }
}

fn cluster(archive: &ArchivePath, source: &Seen) -> Cluster {
    Cluster {
        namespace: archive.namespace().to_owned(),
        name: archive.cluster().to_owned(),
        uid: archive.uid().to_owned(),
        etcd_cluster_id: EtcdId(source.status.cluster_id.0),
        unknown: Map::new(),
    }
}

fn member(source: &Seen, contents: &Contents) -> Source {
    Source {
        member: source.name(),
        member_id: EtcdId(source.status.member_id.0),
        etcd_version: source.status.version.clone(),
        cluster_version: contents.cluster_version.clone(),
        storage_version: contents.storage_version.clone(),
        unknown: Map::new(),
    }
}

fn listed(member: snapshot::Member) -> Member {
    Member {
        id: EtcdId(member.id),
        name: member.name,
        peer_urls: member.peer_urls,
        client_urls: member.client_urls,
        is_learner: member.is_learner,
        unknown: Map::new(),
    }
}
