//! What a backup holds: its keys as etcd told them at the backup's revision, while it lived.
//!
//! The backup itself is not asked, so a backup that holds something else is noticed too.

use std::time::Duration;

use anyhow::{Context, Result};
use etcd::KeyValue;
use kube::ResourceExt;

use super::scene::{CLUSTER, LIMIT};
use crate::cluster::{Address, Connect, Namespace};

/// Between two looks for a new backup.
const PAUSE: Duration = Duration::from_millis(200);

/// A stored backup of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Of the object.
    pub(super) name: String,
    /// In the archive.
    pub(super) id: String,
    pub(super) revision: i64,
}

/// A backup with its keys.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) backup: Stored,
    pub(super) keys: Vec<KeyValue>,
}

impl Held {
    /// Of this backup.
    pub(super) async fn of(backup: Stored, address: &Address) -> Result<Self> {
        let client = address.connect().await.context("connecting to read the keys")?;
        let keys = client.get_prefix_at(b"", backup.revision).await;
        Ok(Self { keys: keys.context("reading what the backup holds")?, backup })
    }
}

/// The cluster's backups, the newest first.
pub(super) async fn stored(namespace: &Namespace) -> Result<Vec<Stored>> {
    let backups = namespace.stored(CLUSTER).await?;
    let read = |backup: &api::v1beta1::Backup| {
        let status = backup.status.as_ref()?;
        Some(Stored { name: backup.name_any(), id: status.id.clone()?, revision: status.revision? })
    };
    let mut stored: Vec<Stored> = backups.iter().filter_map(read).collect();
    // An ID begins with the revision, and goes on with the time.
    stored.sort_by(|one, other| other.id.cmp(&one.id));
    Ok(stored)
}

/// The newest backup; waits for one that is newer than `than`.
pub(super) async fn newer(namespace: &Namespace, than: Option<&Stored>) -> Result<Stored> {
    let newest = |all: Vec<Stored>| all.into_iter().next().filter(|one| Some(one) != than);
    wait_for(namespace, newest).await
}

/// The backup of this object; waits until it is stored.
pub(super) async fn named(namespace: &Namespace, name: &str) -> Result<Stored> {
    wait_for(namespace, |all| all.into_iter().find(|one| one.name == name)).await
}

async fn wait_for(
    namespace: &Namespace,
    choose: impl Fn(Vec<Stored>) -> Option<Stored>,
) -> Result<Stored> {
    let looking = async {
        loop {
            match choose(stored(namespace).await?) {
                Some(backup) => return Ok(backup),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, looking).await;
    found.with_context(|| {
        format!(
            "no new backup was stored within {LIMIT:?}; see the condition BackupHealthy in \
             kubectl -n {} describe etcd {CLUSTER}",
            namespace.name()
        )
    })?
}
