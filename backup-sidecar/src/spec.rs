//! The Cluster's spec, which goes into the manifests: as it is when a backup is taken.
//!
//! In Kubernetes the configuration file follows its `ConfigMap`. What else stands in it restarts the
//! sidecar when it changes; a spec changes more often, and a resize shall not restart anything.

use std::path::PathBuf;

use api::sidecar::SidecarConfig;
use serde_json::Value;

/// Where the spec is.
#[derive(Clone, Debug)]
pub(crate) enum Spec {
    /// Nowhere: there is no Cluster object.
    Nowhere,
    /// In the configuration file.
    In {
        /// The file.
        config: PathBuf,
        /// What it said at the start.
        known: Value,
    },
}

impl Spec {
    /// The spec as it is now; while the file cannot be read, as it was at the start.
    pub async fn read(&self) -> Option<Value> {
        let Self::In { config, known } = self else { return None };
        let spec = match read(config).await {
            Ok(spec) => spec,
            Err(error) => {
                let file = config.display();
                tracing::warn!("{file} cannot be read, and the spec is that of the start: {error}");
                known.clone()
            }
        };
        Some(spec).filter(|spec| !spec.is_null())
    }
}

async fn read(config: &PathBuf) -> anyhow::Result<Value> {
    let text = tokio::fs::read(config).await?;
    Ok(serde_json::from_slice::<SidecarConfig>(&text)?.spec)
}
