//! Where a scenario's backups lie: what must hold in both places is written once and tried in both.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Bucket, Sandbox, TestCluster, open_volume, volume};

/// The name under which a backup's data is stored.
const DATA: &str = "data.db.gz";

/// A volume or a bucket.
pub enum Place {
    /// Each cluster has a volume of its own.
    Volume,
    /// All share this one.
    Bucket(Box<Bucket>),
}

impl Place {
    /// A bucket in a server of its own.
    pub async fn bucket(sandbox: &Sandbox) -> Result<Self> {
        Ok(Self::Bucket(Box::new(Bucket::start(sandbox).await?)))
    }

    /// A backup policy for this place.
    pub fn policy(&self, more: &Value) -> Value {
        let mut policy = match self {
            Self::Volume => json!({"pv": {"volumeSizeInMB": 64}}),
            Self::Bucket(bucket) => bucket.policy(),
        };
        if let (Some(policy), Some(more)) = (policy.as_object_mut(), more.as_object()) {
            policy.insert("backupIntervalInSecond".into(), json!(3600));
            policy.extend(more.clone());
        }
        policy
    }

    /// The spec of a cluster of one member with such a policy.
    pub fn spec(&self, more: &Value) -> Value {
        json!({"size": 1, "backup": self.policy(more)})
    }

    /// Makes it usable for a cluster, once that has claimed what it needs.
    pub async fn open(&self, sandbox: &Sandbox, cluster: &str) -> Result<()> {
        match self {
            Self::Volume => open_volume(sandbox, cluster).await,
            Self::Bucket(_) => Ok(()),
        }
    }

    /// The files of the archive of one cluster, as paths from the folder of its UID.
    pub async fn archive(
        &self,
        sandbox: &Sandbox,
        cluster: &TestCluster,
    ) -> Result<BTreeSet<String>> {
        let folder = folder(sandbox, cluster);
        match self {
            Self::Bucket(bucket) => bucket.files(&folder).await,
            Self::Volume => {
                let Some(volume) = volume(sandbox, &cluster.name).await? else {
                    return Ok(BTreeSet::new());
                };
                let root = volume.join(folder);
                let mut found = BTreeSet::new();
                walk(&root, &root, &mut found)?;
                Ok(found)
            }
        }
    }

    /// Turns a bit in the middle of each stored backup of a cluster whose ID is meant. Doing it again
    /// mends them.
    pub async fn turn_bits(
        &self,
        sandbox: &Sandbox,
        cluster: &TestCluster,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let all = self.archive(sandbox, cluster).await?;
        // The ID ends with the name of the folder.
        let is_data = |file: &&String| {
            file.strip_suffix(DATA)
                .and_then(|folder| folder.trim_end_matches('/').rsplit('/').next())
                .is_some_and(&is_meant)
        };
        let files: Vec<&String> = all.iter().filter(is_data).collect();
        ensure!(!files.is_empty(), "no such backup among {all:?}");
        for file in files {
            self.turn_bit(sandbox, cluster, file).await.with_context(|| file.clone())?;
        }
        Ok(())
    }

    async fn turn_bit(&self, sandbox: &Sandbox, cluster: &TestCluster, file: &str) -> Result<()> {
        let path = format!("{}/{file}", folder(sandbox, cluster));
        match self {
            Self::Bucket(bucket) => bucket.write(&path, &turned(bucket.read(&path).await?)?).await,
            Self::Volume => {
                let volume: PathBuf =
                    volume(sandbox, &cluster.name).await?.context("no volume is bound")?;
                let path = volume.join(path);
                Ok(std::fs::write(&path, turned(std::fs::read(&path)?)?)?)
            }
        }
    }
}

/// The folder of a cluster in any store.
fn folder(sandbox: &Sandbox, cluster: &TestCluster) -> String {
    format!("v1/{}/{}/{}", sandbox.namespace(), cluster.name, cluster.uid)
}

fn turned(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).context("the backup is empty")? ^= 0x10;
    Ok(bytes)
}

/// Adds the files below a folder; none when it is not there.
fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, found)?;
        } else {
            found.insert(path.strip_prefix(root)?.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
