//! The objects of a cluster's backups, built purely from what was validated.

mod claim;
mod config;
mod container;
mod deployment;
mod reader;
mod secret;
mod service;
#[cfg(test)]
mod tests;
mod volumes;

pub use claim::claim;
pub use config::config_map;
pub use deployment::{Versions, deployment};
pub use reader::{Reading, reader};
pub use secret::{credentials, tls};
pub use service::service;

/// The one container of the sidecar's pod.
const CONTAINER: &str = "backup-sidecar";
/// Key of the configuration in the `ConfigMap`.
const CONFIG_KEY: &str = "config.json";
