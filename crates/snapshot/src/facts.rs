//! The entries of etcd's small buckets that tell something of the whole.
//!
//! Sources: etcd's `server/storage/schema/{bucket,cindex,membership,auth,version}.go`. Numbers are
//! big-endian, versions plain text, members JSON.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Contents, Error, Member, Result, revision::Revision};

/// Buckets of which entries are wanted, not only their number.
pub(crate) const WANTED: [&str; 4] = ["auth", "cluster", "members", "meta"];
/// The wanted entries of all of them but `members`, whose keys are IDs.
pub(crate) const NAMES: [&str; 7] = [
    "authEnabled",
    "clusterVersion",
    "consistent_index",
    "finishedCompactRev",
    "scheduledCompactRev",
    "storageVersion",
    "term",
];

/// What was learnt so far.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) scheduled: u64,
    pub(crate) finished: u64,
    members: BTreeMap<u64, Member>,
    contents: Contents,
}

impl Facts {
    /// Takes an entry of a bucket.
    pub(crate) fn take(&mut self, bucket: &'static str, key: &[u8], value: &[u8]) -> Result<()> {
        self.read(bucket, key, value).ok_or_else(|| Error::Entry {
            bucket,
            key: String::from_utf8_lossy(key).chars().take(64).collect(),
        })
    }

    fn read(&mut self, bucket: &str, key: &[u8], value: &[u8]) -> Option<()> {
        match (bucket, key) {
            ("meta", b"consistent_index") => self.contents.raft_applied_index = number(value)?,
            ("meta", b"term") => self.contents.raft_term = number(value)?,
            ("meta", b"scheduledCompactRev") => self.scheduled = Revision::of(value)?.0.main,
            ("meta", b"finishedCompactRev") => self.finished = Revision::of(value)?.0.main,
            ("meta", b"storageVersion") => self.contents.storage_version = Some(text(value)?),
            ("cluster", b"clusterVersion") => self.contents.cluster_version = Some(text(value)?),
            ("auth", b"authEnabled") => self.contents.auth_enabled = value == [1],
            ("members", key) => {
                let member = member(key, value)?;
                self.members.insert(member.id, member);
            }
            _ => {}
        }
        Some(())
    }

    /// Counts entries of a bucket.
    pub(crate) fn count(&mut self, bucket: &str, entries: u64) {
        match self.contents.buckets.get_mut(bucket) {
            Some(count) => *count += entries,
            None => drop(self.contents.buckets.insert(bucket.to_owned(), entries)),
        }
    }

    /// Everything, with the number of the last record in the bucket `key`.
    pub(crate) fn contents(self, last: u64, live_keys: Option<u64>) -> Result<Contents> {
        for bucket in ["key", "meta"] {
            if !self.contents.buckets.contains_key(bucket) {
                return Err(Error::NoBucket(bucket));
            }
        }
        let compact_revision = self.scheduled.max(self.finished);
        Ok(Contents {
            // As etcd's own start does: where the last revisions were deletions, compaction has removed
            // them, and 1 is the revision of nothing.
            revision: last.max(compact_revision).max(1),
            compact_revision,
            live_keys,
            members: self.members.into_values().collect(),
            ..self.contents
        })
    }
}

fn number(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

fn text(value: &[u8]) -> Option<String> {
    String::from_utf8(value.to_vec()).ok()
}

#[derive(Deserialize)]
struct MemberEntry {
    id: u64,
    #[serde(default, rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "clientURLs")]
    client_urls: Option<Vec<String>>,
    #[serde(default, rename = "isLearner")]
    is_learner: bool,
}

fn member(key: &[u8], value: &[u8]) -> Option<Member> {
    let id = u64::from_str_radix(std::str::from_utf8(key).ok()?, 16).ok()?;
    let entry: MemberEntry = serde_json::from_slice(value).ok()?;
    (entry.id == id).then(|| Member {
        id,
        name: entry.name,
        peer_urls: entry.peer_urls.unwrap_or_default(),
        client_urls: entry.client_urls.unwrap_or_default(),
        is_learner: entry.is_learner,
    })
}
