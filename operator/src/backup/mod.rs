//! Backups, as the operator sees them: it brings about a sidecar for each cluster with a backup
//! policy, follows what the sidecar says, and records it.
//!
//! ```text
//! spec.backup ──> policy ──> build ──> ensure        Secrets, claim, ConfigMap, Service, Deployment
//!                                        │
//! sidecar <── client ── links ───────────┘──> health, records      status, condition, Backup objects
//!     └────────────────────────── farewell: the backup before a deletion
//! ```
//!
//! The operator never opens a store and links none of their clients. Whatever fails here is told by
//! the condition `BackupHealthy`; it never holds up the members.

mod attend;
mod authority;
mod build;
mod client;
mod defaults;
mod farewell;
mod finalizer;
mod freshness;
mod health;
mod links;
mod location;
mod order;
mod policy;
mod records;
mod secrets;
#[cfg(test)]
mod table;
mod volume;

pub use attend::{Attendant, Attended, Room};
pub use build::{Reading, reader};
pub use client::{ClientError, SidecarClient};
pub use defaults::Defaults;
#[cfg(test)]
pub use defaults::Volumes;
pub use farewell::{farewell, is_leaving};
pub use health::{happening, tell};
#[cfg(test)]
pub use links::Silence;
pub use links::{Key, Links, Seen};
pub use location::volume as volume_store;
pub use order::{on_error, reconcile};
pub use policy::{Credentials, ValidatedBackup, Volume, place as place_of};
