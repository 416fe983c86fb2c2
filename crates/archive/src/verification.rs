//! Later findings about a backup: `verified-<UTC>.json`, one new object for each look.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    digest::Digest,
    error::{Error, Result},
    layout::BackupId,
    manifest::{FORMAT, check_format},
};

/// What one look at a backup found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The format of this record: 1.
    pub format: u64,
    /// The backup that was read.
    pub id: BackupId,
    /// The SHA-256 of the manifest that it was compared with.
    pub manifest_sha256: Digest,
    /// How far the look went.
    pub depth: Depth,
    /// When it was begun.
    pub started: Timestamp,
    /// When it was finished.
    pub finished: Timestamp,
    /// What is wrong, in a sentence; nothing when all agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The hash that `etcdutl snapshot status` prints, if it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<u32>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// How far a verification went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// The stored bytes were read back and their digest compared.
    Stored = 1,
    /// They were decoded too, and the snapshot's digest and structure checked.
    Structure = 2,
    /// An etcd was started on them.
    Restored = 3,
    /// One that a later version knows; it counts as less than those that are known.
    #[serde(other)]
    Other = 0,
}

impl Verification {
    /// Whether nothing was found wrong.
    pub fn is_good(&self) -> bool {
        self.problem.is_none()
    }

    /// A new record with this version's format.
    pub fn new(
        id: BackupId,
        manifest_sha256: Digest,
        depth: Depth,
        [started, finished]: [Timestamp; 2],
        problem: Option<String>,
    ) -> Self {
        Self {
            format: FORMAT,
            id,
            manifest_sha256,
            depth,
            started,
            finished,
            problem,
            hash: None,
            unknown: Map::new(),
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Result<Bytes> {
        let bytes = serde_json::to_vec_pretty(self);
        bytes.map(Bytes::from).map_err(|error| Error::BadInput(format!("verification: {error}")))
    }

    /// Reads a record. `what` names it in errors.
    pub fn from_bytes(what: &str, bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(what, format!("it is no JSON: {error}")))?;
        check_format(what, &value)?;
        serde_json::from_value(value).map_err(|error| Error::damaged(what, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_its_bytes() {
        let [start, end]: [Timestamp; 2] =
            ["2026-11-22T16:49:06Z", "2026-11-22T16:50:00Z"].map(|time| time.parse().unwrap());
        let id = BackupId::new(7, start);
        for problem in [None, Some("its 3rd page is not reachable".to_owned())] {
            let found =
                Verification::new(id, Digest::of(b""), Depth::Structure, [start, end], problem);
            let read = Verification::from_bytes("x", &found.to_bytes().unwrap()).unwrap();
            assert_eq!(read, found);
            assert_eq!(read.is_good(), found.problem.is_none());
            let hashed = Verification { hash: Some(7), ..found };
            let read = Verification::from_bytes("x", &hashed.to_bytes().unwrap()).unwrap();
            assert_eq!(read.hash, Some(7));
        }
    }

    #[test]
    fn a_finding_of_another_format_is_refused() {
        let error = Verification::from_bytes("x", br#"{"format": 9}"#).unwrap_err();
        assert_eq!(error.reason(), "UnknownFormat");
    }
}
