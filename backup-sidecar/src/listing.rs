//! A backup as the API and `--json` show it.

use api::sidecar::StoredBackup;
use archive::{
    catalogue::{Committed, Listed},
    key::Key,
    location::Location,
    manifest::Reason,
};

/// What is known of a backup; without its manifest, what the list tells and why it cannot be read.
pub(crate) fn describe(
    location: &Location,
    listed: &Listed,
    committed: &archive::Result<Committed>,
) -> StoredBackup {
    let problem = committed.as_ref().err().map(ToString::to_string);
    let found = listed.damaged.map(|time| format!("it was read back on {time} and found damaged"));
    let folder = listed.archive.backup(listed.id.start()).map(|key| url_of(location, &key));
    let listed_only = StoredBackup {
        id: listed.id.to_string(),
        cluster_uid: listed.archive.uid().to_owned(),
        reason: String::new(),
        etcd_cluster_id: None,
        request: None,
        etcd_version: String::new(),
        revision: signed(listed.id.revision()),
        compact_revision: 0,
        raw_size: 0,
        stored_size: listed.stored_size.unwrap_or_default(),
        manifest_digest: String::new(),
        start_time: listed.id.start(),
        finish_time: listed.committed,
        location: folder.unwrap_or_default(),
        verified: listed.verified,
        damaged: problem.or(found),
    };
    let Ok(Committed { manifest, digest }) = committed else { return listed_only };
    StoredBackup {
        reason: word(manifest.reason),
        etcd_cluster_id: Some(String::from(manifest.cluster.etcd_cluster_id)),
        request: manifest.request.clone(),
        etcd_version: manifest.source.etcd_version.clone(),
        compact_revision: signed(manifest.compact_revision),
        raw_size: manifest.raw.size,
        stored_size: manifest.stored.size,
        manifest_digest: digest.to_string(),
        finish_time: manifest.finished,
        ..listed_only
    }
}

/// A reason as manifests write it.
pub(crate) fn word(reason: Reason) -> String {
    let word = serde_json::to_value(reason).ok().and_then(|word| word.as_str().map(str::to_owned));
    word.unwrap_or_default()
}

/// Where an object is, as other tools take it: without what only this program understands.
pub(crate) fn url_of(location: &Location, key: &Key) -> String {
    let text = location.to_string();
    let place = text.split_once('?').map_or(text.as_str(), |(place, _)| place);
    format!("{}/{key}", place.trim_end_matches('/'))
}

fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
