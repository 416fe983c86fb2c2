//! Backups at rest: layout, manifest, catalogue, retention, and the stores that hold them.
//!
//! ```text
//! <prefix>/v1/<namespace>/<cluster>/<uid>/snapshots/<UTC start>/
//!     attempt.json              written first, only if absent: one writer for each folder
//!     data.db.gz                written once
//!     manifest-<revision>.json  written last, only if absent: its presence is the commit
//!     verified-<UTC>.json       later findings are new objects, never rewrites;
//!     damaged-<UTC>.json        the name says what was found
//!     wanted-<UTC>.json         somebody asked for the backup, as a restore does: retention leaves it
//! ```
//!
//! Everything above the [`store::Store`] trait is the same for all stores and takes the time as an
//! argument. Nothing here reads etcd, looks into a snapshot or talks to Kubernetes.

pub mod abandoned;
pub mod attempt;
pub mod catalogue;
pub mod compatibility;
pub mod digest;
pub mod download;
pub mod error;
pub mod gzip;
pub mod key;
pub mod layout;
pub mod location;
pub mod manifest;
pub mod prune;
pub mod retention;
pub mod store;
mod time;
pub mod verification;

pub use error::{Error, Result};
