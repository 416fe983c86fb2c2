//! What the configuration file says of the cluster: as it is when a backup is taken.
//!
//! In Kubernetes the file follows its `ConfigMap`. What else stands in it restarts the sidecar when it
//! changes; a spec changes more often, and a resize shall not restart anything, nor that etcd's own ID
//! becomes known.

use std::path::PathBuf;

use api::sidecar::SidecarConfig;
use etcd::ClusterId;
use serde_json::Value;

/// Who tells.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// Nobody: there is no Cluster object.
    Nothing,
    /// The configuration file.
    In {
        /// The file.
        config: PathBuf,
        /// What it said at the start.
        known: Now,
    },
}

/// What is told at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    /// The Cluster's spec.
    pub spec: Option<Value>,
    /// etcd's own ID of the cluster.
    pub cluster: Option<ClusterId>,
}

impl Told {
    /// What the file says now; while it cannot be read, what it said at the start.
    pub async fn now(&self) -> Now {
        let Self::In { config, known } = self else { return Now::default() };
        match read(config).await {
            Ok(config) => Now::from(&config),
            Err(error) => {
                let file = config.display();
                tracing::warn!(
                    "{file} cannot be read, and what it said at the start holds: {error}"
                );
                known.clone()
            }
        }
    }
}

impl From<&SidecarConfig> for Now {
    fn from(config: &SidecarConfig) -> Self {
        let id = config.etcd_cluster_id.as_deref();
        Self {
            spec: Some(config.spec.clone()).filter(|spec| !spec.is_null()),
            cluster: id.and_then(|id| cluster_id(id).ok()),
        }
    }
}

/// etcd's ID of a cluster, as all our programs write it.
pub(crate) fn cluster_id(text: &str) -> Result<ClusterId, String> {
    let id = u64::from_str_radix(text, 16).map(ClusterId);
    id.map_err(|_| format!("{text:?} is no ID of etcd's: up to 16 hexadecimal digits"))
}

async fn read(config: &PathBuf) -> anyhow::Result<SidecarConfig> {
    Ok(serde_json::from_slice(&tokio::fs::read(config).await?)?)
}
