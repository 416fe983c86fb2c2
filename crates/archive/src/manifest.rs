//! The manifest: what a backup holds, said by the backup itself.
//!
//! It is written last and only if absent, so its presence is the commit. Fields that this version does
//! not know are kept when it is written again; an unknown `format` is refused. Restores pin a backup
//! by the SHA-256 of the manifest's bytes.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    digest::Digest,
    error::{Error, Result},
    layout::{ArchivePath, BackupId},
};

/// The format that this version writes, and the only one it reads.
pub const FORMAT: u64 = 1;
/// The only encoding so far: plain gzip, possibly of several members in a row.
pub const GZIP: &str = "gzip";

/// Everything known about one backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u64,
    /// The backup's name within its archive.
    pub id: BackupId,
    /// The cluster that was backed up.
    pub cluster: Cluster,
    /// The etcd server that sent the snapshot.
    pub source: Source,
    /// The last revision in the backup.
    pub revision: u64,
    /// The oldest revision that can still be read from it.
    pub compact_revision: u64,
    /// The last entry of etcd's log that the snapshot contains.
    pub raft_applied_index: u64,
    /// When the snapshot was begun.
    pub started: Timestamp,
    /// When the last byte was stored.
    pub finished: Timestamp,
    /// The snapshot as etcd sent it.
    pub raw: Raw,
    /// The object that holds it.
    pub stored: Stored,
    /// What the snapshot holds.
    pub counts: Counts,
    /// The members at the time, as the snapshot lists them.
    pub members: Vec<Member>,
    /// Why the backup was made.
    pub reason: Reason,
    /// The ID of the order that asked for it: the same order again finds its backup by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The hash that the source gave for its keys at the last revision (etcd's `HashKV`), where only that
    /// tells whether an etcd is the one that was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_hash: Option<u32>,
    /// Whether etcd's authentication is on, so that a restored cluster asks for passwords.
    pub auth_enabled: bool,
    /// Until when the store lets nobody delete the backup, where it was asked to lock it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_until: Option<Timestamp>,
    /// The Cluster's spec at the time, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Which cluster a backup is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its namespace, or `_` outside Kubernetes.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The UID of the Cluster object, or its stand-in.
    pub uid: String,
    /// The ID that etcd itself has for the cluster; a restored cluster has another.
    pub etcd_cluster_id: EtcdId,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The member that sent the snapshot, and the versions that it and its data have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The member's name.
    pub member: String,
    /// Its ID.
    pub member_id: EtcdId,
    /// Its etcd's version.
    pub etcd_version: String,
    /// The version that all members had agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_version: Option<String>,
    /// The version of the data's schema; etcd 3.5 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_version: Option<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The bytes that `etcdctl snapshot save` would have written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Raw {
    /// Their number.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// The object that holds the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Its name beside the manifest.
    pub object: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// What was done to the raw bytes, in that order.
    pub encodings: Vec<String>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// How much the snapshot holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Entries of each bucket.
    pub buckets: BTreeMap<String, u64>,
    /// Keys that are not deleted at the last revision, where that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_keys: Option<u64>,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A member as the snapshot lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Its ID.
    pub id: EtcdId,
    /// Its name; empty while it has never started.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    #[serde(default)]
    pub client_urls: Vec<String>,
    /// Whether it had no vote yet.
    #[serde(default)]
    pub is_learner: bool,
    /// Fields of later versions.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Why a backup was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was due.
    Scheduled,
    /// Somebody asked for it.
    OnDemand,
    /// Survivors were about to be deleted.
    BeforeRecovery,
    /// The cluster was about to be upgraded.
    BeforeUpgrade,
    /// The cluster was about to be deleted.
    Final,
    /// One that a later version knows.
    #[serde(other)]
    Other,
}

/// An ID of etcd's, as 16 hexadecimal digits: numbers this large do not survive every JSON reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtcdId(pub u64);

impl From<EtcdId> for String {
    fn from(id: EtcdId) -> Self {
        format!("{:016x}", id.0)
    }
}

impl TryFrom<String> for EtcdId {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let id = u64::from_str_radix(&text, 16);
        id.map(Self)
            .map_err(|_| format!("{text:?} is no ID of etcd's: up to 16 hexadecimal digits"))
    }
}

impl Manifest {
    /// The archive that the backup says it belongs to.
    pub fn archive(&self) -> Result<ArchivePath> {
        ArchivePath::new(&self.cluster.namespace, &self.cluster.name, &self.cluster.uid)
    }

    /// The manifest's bytes, ending in a line feed.
    pub fn to_bytes(&self) -> Result<Bytes> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::BadInput(format!("the manifest of {}: {error}", self.id)))?;
        bytes.push(b'\n');
        Ok(bytes.into())
    }

    /// Reads a manifest. `what` is the backup's name in errors.
    pub fn from_bytes(what: &str, bytes: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(what, format!("its manifest is no JSON: {error}")))?;
        check_format(what, &value)?;
        serde_json::from_value(value)
            .map_err(|error| Error::damaged(what, format!("its manifest is incomplete: {error}")))
    }
}

/// Refuses what another version wrote in a form that is not understood here.
pub(crate) fn check_format(what: &str, value: &Value) -> Result<()> {
    match value.get("format").and_then(Value::as_u64) {
        Some(FORMAT) => Ok(()),
        Some(format) => Err(Error::UnknownFormat { what: what.to_owned(), format }),
        None => Err(Error::damaged(what, "its manifest names no format")),
    }
}

#[cfg(test)]
mod tests;
