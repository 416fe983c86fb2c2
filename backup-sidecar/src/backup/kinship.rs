//! Whether the etcd that answers goes on where the archive's newest backup ends.
//!
//! etcd's cluster ID is no proof: it is a hash of the first members' URLs and token, so a cluster that was
//! built anew with the same ones, or restored, has the same (see `archive::layout`). Revision and raft
//! index only grow within one cluster, and at the same ones the hash of all keys is the same.

use std::collections::BTreeSet;
use std::time::Duration;

use archive::{catalogue, layout::ArchivePath, manifest::Manifest, store::Store};

use crate::{serve::Problem, source::Seen};

/// A database of 8 GB is read within that.
const HASHING: Duration = Duration::from_mins(1);

/// The manifest of the newest good backup. Nothing when it cannot be read: then a new backup is the
/// answer.
pub(super) async fn newest(
    store: &dyn Store,
    archive: &ArchivePath,
) -> Result<Option<Manifest>, Problem> {
    let backups = catalogue::list(store, archive).await?;
    let newest = catalogue::newest_whole(store, &backups).await.ok().flatten();
    Ok(newest.map(|newest| newest.committed.manifest))
}

/// Whether the newest backup holds all that any member has applied, as far as what can be asked for
/// without reading all data tells.
pub(super) fn is_unchanged(newest: &Manifest, all: &[Seen]) -> bool {
    let of = |one: &Seen| (one.status.raft_applied_index, revision(one));
    let ours = (newest.raft_applied_index, newest.revision);
    let is_same = |one: &Seen| one.status.cluster_id.0 == newest.cluster.etcd_cluster_id.0;
    let members: BTreeSet<_> = newest.members.iter().map(|member| member.id.0).collect();
    let is_member = |one: &Seen| members.contains(&one.status.member_id.0);
    all.iter().all(|one| is_same(one) && is_member(one)) && all.iter().map(of).max() == Some(ours)
}

/// The hash of all keys up to this revision, where the member can give it.
pub(super) async fn hash(source: &Seen, revision: u64) -> Option<u32> {
    let revision = i64::try_from(revision).ok()?;
    let hash = source.client.hash_of_keys(revision, HASHING).await;
    if let Err(error) = &hash {
        tracing::warn!(%error, "without it no scheduled backup can find that nothing has changed");
    }
    hash.ok()
}

/// Whether the keys are those of the newest backup: two clusters with the same ID may well be at the
/// same revision and raft index. Nobody knows when the hash is missing.
pub(super) async fn has_same_keys(newest: &Manifest, all: &[Seen]) -> bool {
    let Some(one) = all.iter().max_by_key(|one| one.status.raft_applied_index) else {
        return false;
    };
    let Some(ours) = newest.keys_hash else { return false };
    hash(one, newest.revision).await == Some(ours)
}

/// What says that it is another etcd, or one that was restored to an earlier time.
pub(super) fn contradiction(newest: &Manifest, all: &[Seen]) -> Option<String> {
    let is_same = all.iter().all(|one| one.status.cluster_id.0 == newest.cluster.etcd_cluster_id.0);
    let applied = all.iter().map(|one| one.status.raft_applied_index).max()?;
    let now = all.iter().map(revision).max()?;
    let went_back = |what: &str, now: u64, before: u64| {
        let sentence =
            || format!("the newest backup, {}, has {what} {before}, etcd {now}", newest.id);
        (now < before).then(sentence)
    };
    let by_index = is_same.then(|| went_back("raft index", applied, newest.raft_applied_index));
    went_back("revision", now, newest.revision).or(by_index.flatten())
}

fn revision(one: &Seen) -> u64 {
    u64::try_from(one.status.revision).unwrap_or_default()
}
