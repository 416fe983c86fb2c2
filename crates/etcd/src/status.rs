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

impl MemberStatus {
    /// The alarms of all members, as this one knows them. Status reports them as texts such as
    /// `memberID:123 alarm:CORRUPT` (server/etcdserver/api/v3rpc/maintenance.go); asking for the alarms
    /// themselves would write to etcd's log.
    pub fn alarms(&self) -> impl Iterator<Item = Alarm> + '_ {
        self.errors.iter().filter_map(|text| {
            let kind = match text {
                _ if text.contains("alarm:CORRUPT") => AlarmKind::Corrupt,
                _ if text.contains("alarm:NOSPACE") => AlarmKind::NoSpace,
                _ => return None,
            };
            let rest = text.split_once("memberID:").map_or("", |(_, rest)| rest.trim_start());
            let id = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            // Without an ID (0 is left out) etcd does not know whose data is the wrong one.
            Some(Alarm { member_id: MemberId(id.parse().unwrap_or_default()), kind })
        })
    }
}

/// An alarm that a member has raised; it stays until someone disarms it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// Who raised it.
    pub member_id: MemberId,
    /// What it is about.
    pub kind: AlarmKind,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The database reached its quota: only reads and deletes are answered.
    NoSpace,
    /// The member's data differs from the others'.
    Corrupt,
}

impl AlarmKind {
    pub(crate) fn written(self) -> AlarmType {
        match self {
            Self::NoSpace => AlarmType::Nospace,
            Self::Corrupt => AlarmType::Corrupt,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterId;

    #[test]
    fn alarms_are_read_from_what_a_member_complains_of() {
        let status = |errors: &[&str]| MemberStatus {
            member_id: MemberId(1),
            cluster_id: ClusterId(2),
            version: "3.6.16".into(),
            storage_version: "3.6.0".into(),
            db_size: 1,
            db_size_in_use: 1,
            leader: None,
            revision: 1,
            raft_term: 1,
            raft_index: 1,
            raft_applied_index: 1,
            is_learner: false,
            errors: errors.iter().map(ToString::to_string).collect(),
        };
        let of = |id, kind| Alarm { member_id: MemberId(id), kind };
        for (text, alarm) in [
            (
                "memberID:10276657743932975437 alarm:NOSPACE ",
                Some(of(10_276_657_743_932_975_437, AlarmKind::NoSpace)),
            ),
            ("memberID: 7  alarm:CORRUPT", Some(of(7, AlarmKind::Corrupt))),
            ("alarm:CORRUPT", Some(of(0, AlarmKind::Corrupt))),
            ("alarm:CORRUPT memberID:7", Some(of(7, AlarmKind::Corrupt))),
            ("etcdserver: no leader", None),
        ] {
            let read: Vec<Alarm> = status(&[text]).alarms().collect();
            assert_eq!(read, alarm.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }
}
