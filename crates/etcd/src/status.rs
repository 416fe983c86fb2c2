//! What a member says of itself.

use etcd_client::{AlarmType, StatusResponse};

use crate::{ClusterId, Error, MemberId};

/// A member's own view of itself. Answered without quorum and by learners too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberStatus {
    /// The member that answered.
    pub member_id: MemberId,
    /// The cluster it belongs to.
    pub cluster_id: ClusterId,
    /// etcd's version, `3.6.16`.
    pub version: String,
    /// The data's format, `3.6.0`; from etcd 3.6, empty before and until the first leader set it.
    pub storage_version: String,
    /// Bytes of the database file.
    pub db_size: u64,
    /// Bytes of it that are in use; the rest is what a defragmentation gives back.
    pub db_size_in_use: u64,
    /// Who leads, as this member sees it.
    pub leader: Option<MemberId>,
    /// The last revision of its data.
    pub revision: i64,
    /// The raft term, which grows with each election.
    pub raft_term: u64,
    /// The last log entry the member knows to be committed.
    pub raft_index: u64,
    /// The last log entry the member has applied.
    pub raft_applied_index: u64,
    /// Whether the member is a learner, as it sees it.
    pub is_learner: bool,
    /// What the member complains of: no leader, alarms.
    pub errors: Vec<String>,
}

impl MemberStatus {
    pub(crate) fn read(answer: &StatusResponse) -> Result<Self, Error> {
        let header = answer.header().ok_or_else(|| no_header("Status"))?;
        Ok(Self {
            member_id: MemberId(header.member_id()),
            cluster_id: ClusterId(header.cluster_id()),
            version: answer.version().to_owned(),
            storage_version: answer.storage_version().to_owned(),
            db_size: u64::try_from(answer.db_size()).unwrap_or_default(),
            db_size_in_use: u64::try_from(answer.raft_used_db_size()).unwrap_or_default(),
            leader: (answer.leader() != 0).then(|| MemberId(answer.leader())),
            revision: header.revision(),
            raft_term: answer.raft_term(),
            raft_index: answer.raft_index(),
            raft_applied_index: answer.raft_applied_index(),
            is_learner: answer.is_learner(),
            errors: answer.errors().to_vec(),
        })
    }
}

/// An alarm that a member has raised; it stays until someone disarms it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Who raised it.
    pub member_id: MemberId,
    /// What it is about.
    pub kind: AlarmKind,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmKind {
    /// The database reached its quota: only reads and deletes are answered.
    NoSpace,
    /// The member's data differs from the others'.
    Corrupt,
}

impl AlarmKind {
    /// `None` for etcd's "no alarm".
    pub(crate) fn read(kind: AlarmType) -> Option<Self> {
        match kind {
            AlarmType::None => None,
            AlarmType::Nospace => Some(Self::NoSpace),
            AlarmType::Corrupt => Some(Self::Corrupt),
        }
    }
}

/// Every answer of etcd carries a header; one without did not come from etcd.
pub(crate) fn no_header(call: &str) -> Error {
    Error::Other { code: "Internal".into(), message: format!("the answer to {call} has no header") }
}
