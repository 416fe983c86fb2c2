//! Where the objects of a backup lie, and what a key says without being read.
//!
//! `v1/<namespace>/<cluster>/<uid>/snapshots/<UTC start>/<object>`. The version, the namespace and the UID
//! are in the path: clusters never share a folder, and a cluster created again under its old name does
//! not take over its ancestor's backups.
//!
//! The last revision of a snapshot is known only when its last byte has come, and no store but a file
//! system can rename what lies there by then. So the folder is named by the start alone, and the
//! manifest, which is written after the data, carries the revision in its name: a list tells both.
//!
//! Outside Kubernetes there is no namespace and no UID. The namespace is `_` then, which no namespace of
//! Kubernetes can be called, and the UID is `etcd-` with the etcd cluster's own ID. That is a hash of the
//! first members' peer URLs and the cluster token, with no time and no chance in it: a cluster that is
//! built anew, or restored, with the same URLs and token has the same ID, and so have any two
//! single etcds with default settings. Whoever writes must look whether the cluster may be the one
//! whose backups are there; a UID of the user's choice tells them apart for sure.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    key::{Key, check_segment},
    time,
};

/// The layout's version: the first segment of every key.
pub const VERSION: &str = "v1";
/// The namespace of clusters that have none.
pub const OUTSIDE_KUBERNETES: &str = "_";
/// The folder of the backups within an archive.
const SNAPSHOTS: &str = "snapshots";
/// The object with the snapshot's bytes in gzip.
pub const DATA: &str = "data.db.gz";
/// The object that reserves a folder for one writer.
pub const ATTEMPT: &str = "attempt.json";

/// A backup's name within its archive: `000000000001e240-20261122T164906Z`. Orders by revision, then
/// by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId {
    revision: u64,
    start: Timestamp,
}

impl BackupId {
    /// The name of a backup of this revision whose snapshot was begun at `start`.
    pub fn new(revision: u64, start: Timestamp) -> Self {
        Self { revision, start: time::whole_second(start) }
    }

    /// The last revision in the backup.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the snapshot was begun, in whole seconds.
    pub fn start(&self) -> Timestamp {
        self.start
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.revision, time::print(self.start))
    }
}

impl FromStr for BackupId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = |text: &str| {
            let (revision, start) = text.split_once('-')?;
            let revision = u64::from_str_radix(revision, 16).ok()?;
            Some(Self { revision, start: time::parse(start)? })
        };
        parse(text).filter(|id| id.to_string() == text).ok_or_else(|| {
            Error::BadInput(format!(
                "{text:?} is no backup's ID; write it as the list shows it, such as \
                 000000000001e240-20261122T164906Z"
            ))
        })
    }
}

impl TryFrom<String> for BackupId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.to_string()
    }
}

/// The archive of one cluster: where its backups lie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArchivePath {
    namespace: String,
    cluster: String,
    uid: String,
}

impl ArchivePath {
    /// The archive of a Cluster object. Each part must be one plain name.
    pub fn new(namespace: &str, cluster: &str, uid: &str) -> Result<Self> {
        let [namespace, cluster, uid] =
            [("namespace", namespace), ("cluster", cluster), ("UID", uid)]
                .map(|(what, name)| checked(what, name));
        Ok(Self { namespace: namespace?, cluster: cluster?, uid: uid? })
    }

    /// The archive of an etcd cluster outside Kubernetes, by a name of the user's choice and the
    /// cluster ID that etcd reports.
    pub fn outside_kubernetes(cluster: &str, etcd_cluster_id: u64) -> Result<Self> {
        Self::new(OUTSIDE_KUBERNETES, cluster, &format!("etcd-{etcd_cluster_id:016x}"))
    }

    /// The namespace, or [`OUTSIDE_KUBERNETES`].
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The Cluster object's UID, or its stand-in.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The folder of everything that belongs to this archive.
    pub fn folder(&self) -> Result<Key> {
        format!("{VERSION}/{}/{}/{}", self.namespace, self.cluster, self.uid).parse()
    }

    /// The folder of the archives of all clusters that bear or bore this name.
    pub fn folder_of_name(namespace: &str, cluster: &str) -> Result<Key> {
        let [namespace, cluster] = [("namespace", namespace), ("cluster", cluster)]
            .map(|(what, name)| checked(what, name));
        format!("{VERSION}/{}/{}", namespace?, cluster?).parse()
    }

    /// The folder of the backup that was begun in this second.
    pub fn backup(&self, start: Timestamp) -> Result<Key> {
        self.folder()?.join(SNAPSHOTS)?.join(&time::print(start))
    }

    /// The key of an object of a backup.
    pub fn object(&self, id: BackupId, name: &str) -> Result<Key> {
        self.backup(id.start)?.join(name)
    }

    /// The key of a backup's data.
    pub fn data(&self, id: BackupId) -> Result<Key> {
        self.object(id, DATA)
    }

    /// The key of a backup's manifest.
    pub fn manifest(&self, id: BackupId) -> Result<Key> {
        self.object(id, &format!("manifest-{:016x}.json", id.revision))
    }

    /// The key of the note that somebody asked for the backup at `time`.
    pub fn wanted(&self, id: BackupId, time: Timestamp) -> Result<Key> {
        self.object(id, &format!("wanted-{}.json", time::print(time)))
    }

    /// The key of a verification that was finished at `time`, and found the backup good or not.
    pub fn verification(&self, id: BackupId, time: Timestamp, is_good: bool) -> Result<Key> {
        let word = if is_good { "verified" } else { "damaged" };
        self.object(id, &format!("{word}-{}.json", time::print(time)))
    }
}

/// The key of the note that what lies in this folder is about to be removed, since it was abandoned.
pub(crate) fn removing(folder: &Key, time: Timestamp) -> Result<Key> {
    folder.join(&format!("removing-{}.json", time::print(time)))
}

impl fmt::Display for ArchivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.cluster, self.uid)
    }
}

fn checked(what: &str, name: &str) -> Result<String> {
    check_segment(name).map_err(|error| Error::BadInput(format!("{what}: {error}")))?;
    Ok(name.to_owned())
}

/// What an object of an archive is, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) archive: ArchivePath,
    pub(crate) start: Timestamp,
    pub(crate) kind: Kind,
}

/// The kinds of objects in a backup's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Attempt,
    Data,
    /// With the backup's last revision.
    Manifest(u64),
    Verified(Timestamp),
    Damaged(Timestamp),
    Wanted(Timestamp),
    Removing(Timestamp),
    /// Left by a later version, or by hand.
    Unknown,
}

impl Place {
    /// Nothing for an object that is no part of a backup.
    pub(crate) fn of(key: &Key) -> Option<Self> {
        let mut segments = key.as_str().split('/');
        let mut next = || segments.next();
        (next()? == VERSION).then_some(())?;
        let archive = ArchivePath::new(next()?, next()?, next()?).ok()?;
        (next()? == SNAPSHOTS).then_some(())?;
        let start = time::parse(next()?)?;
        let kind = Kind::of(next()?);
        segments.next().is_none().then_some(Self { archive, start, kind })
    }
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            DATA => Self::Data,
            ATTEMPT => Self::Attempt,
            _ => Self::with_a_number(name).unwrap_or(Self::Unknown),
        }
    }

    fn with_a_number(name: &str) -> Option<Self> {
        let (word, number) = name.strip_suffix(".json")?.split_once('-')?;
        match word {
            "manifest" => {
                let revision = u64::from_str_radix(number, 16).ok()?;
                (format!("{revision:016x}") == number).then_some(Self::Manifest(revision))
            }
            "verified" => time::parse(number).map(Self::Verified),
            "damaged" => time::parse(number).map(Self::Damaged),
            "wanted" => time::parse(number).map(Self::Wanted),
            "removing" => time::parse(number).map(Self::Removing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
