//! What a snapshot holds, in numbers and names.

use std::collections::BTreeMap;

/// Everything that is said of a snapshot without its keys and values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The last revision; 1 where nothing was ever written.
    pub revision: u64,
    /// The last compaction that was begun: older revisions cannot be read. 0 where there was none.
    pub compact_revision: u64,
    /// The index of the last raft entry in it.
    pub raft_applied_index: u64,
    /// That entry's term; 0 where the file does not say.
    pub raft_term: u64,
    /// The number of entries of each bucket.
    pub buckets: BTreeMap<String, u64>,
    /// Keys that are not deleted at the last revision. `None` where one pass cannot tell, as within a
    /// compaction.
    pub live_keys: Option<u64>,
    /// The version that all members had agreed on (since etcd 3.5).
    pub cluster_version: Option<String>,
    /// The version of the data's layout (since etcd 3.6).
    pub storage_version: Option<String>,
    /// The members at the time, by ID.
    pub members: Vec<Member>,
    /// Whether a user is needed to read and write.
    pub auth_enabled: bool,
}

/// A member as the snapshot lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its raft ID.
    pub id: u64,
    /// Its name; empty before it was started.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// Without a vote.
    pub is_learner: bool,
}
