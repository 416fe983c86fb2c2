//! A backup as the API and `--json` show it.

use api::sidecar::StoredBackup;
use archive::{
    Error,
    catalogue::{Committed, Listed},
    key::Key,
    layout::{ArchivePath, BackupId},
    manifest::Reason,
};

/// What is known of a backup from the list and its manifest. `place` is the store's URL.
pub(crate) fn describe(
    place: &str,
    listed: &Listed,
    committed: &archive::Result<Committed>,
) -> StoredBackup {
    let known = match committed {
        Ok(committed) => stored(place, &listed.archive, committed),
        Err(error) => unreadable(place, listed, error),
    };
    with_findings(known, listed)
}

/// What its manifest says.
pub(crate) fn stored(place: &str, archive: &ArchivePath, committed: &Committed) -> StoredBackup {
    let Committed { manifest, digest } = committed;
    StoredBackup {
        id: manifest.id.to_string(),
        cluster_uid: archive.uid().to_owned(),
        reason: word(manifest.reason).to_owned(),
        etcd_cluster_id: Some(String::from(manifest.cluster.etcd_cluster_id)),
        request: manifest.request.clone(),
        etcd_version: manifest.source.etcd_version.clone(),
        revision: signed(manifest.revision),
        compact_revision: signed(manifest.compact_revision),
        raw_size: manifest.raw.size,
        stored_size: manifest.stored.size,
        manifest_digest: digest.to_string(),
        start_time: manifest.started,
        finish_time: manifest.finished,
        location: folder(place, archive, manifest.id),
        verified: None,
        damaged: None,
        is_unread: false,
    }
}

/// What the list tells of a backup whose manifest cannot be read, and why.
pub(crate) fn unreadable(place: &str, listed: &Listed, error: &Error) -> StoredBackup {
    let id = listed.id;
    StoredBackup {
        id: id.to_string(),
        cluster_uid: listed.archive.uid().to_owned(),
        reason: String::new(),
        etcd_cluster_id: None,
        request: None,
        etcd_version: String::new(),
        revision: signed(id.revision()),
        compact_revision: 0,
        raw_size: 0,
        stored_size: listed.stored_size.unwrap_or_default(),
        manifest_digest: String::new(),
        start_time: id.start(),
        finish_time: listed.committed,
        location: folder(place, &listed.archive, id),
        verified: None,
        damaged: Some(error.to_string()),
        is_unread: matches!(error, Error::UnknownFormat { .. }),
    }
}

/// The same with what the list shows: whether its data is there, and what was found when it was read back.
pub(crate) fn with_findings(known: StoredBackup, listed: &Listed) -> StoredBackup {
    let flaw = listed.flaw(Some(known.stored_size));
    StoredBackup {
        verified: listed.verified.or(known.verified),
        damaged: known.damaged.or(flaw),
        ..known
    }
}

/// A reason as manifests write it.
pub(crate) fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Scheduled => "scheduled",
        Reason::OnDemand => "on-demand",
        Reason::BeforeRecovery => "before-recovery",
        Reason::BeforeUpgrade => "before-upgrade",
        Reason::Final => "final",
        Reason::Other => "other",
    }
}

/// Where an object is, as other tools take it: without what only this program understands.
pub(crate) fn url_of(place: &str, key: &Key) -> String {
    let place = place.split('?').next().unwrap_or(place);
    format!("{}/{key}", place.trim_end_matches('/'))
}

fn folder(place: &str, archive: &ArchivePath, id: BackupId) -> String {
    archive.backup(id.start()).map(|key| url_of(place, &key)).unwrap_or_default()
}

/// etcd counts revisions in signed numbers.
fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
