//! `etcd-backup-sidecar serve`: backups by schedule and on demand, and the API for the operator.
//!
//! ```text
//!               orders                    take
//!  API (TLS) ───────────> engine (one task) ─────> Taker ──> store
//!     ^  ^                  │        │ list, prune, erase      ^
//!     │  └── board (watch) ─┘        └──────────> Shelf ───────┤
//!     └────────────── lists, streams, manifests ───────────────┘
//! ```
//!
//! The engine alone decides what runs; there are never two backups at once. The API answers from the
//! board and the store and changes nothing by itself. `docs/backup-api.md` describes the API.

mod options;
mod taker;

use std::sync::Arc;

use api::sidecar::SidecarConfig;

pub use options::ServeArgs;
pub use taker::{Job, Problem, Progress, Taken, Taker};

/// Why `serve` ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What was given cannot be used; one sentence for each thing. Exit code 2.
    #[error("{}", .0.join("\n"))]
    Usage(Vec<String>),
    /// It could not go on. Exit code 1.
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// Serves until SIGTERM or SIGINT (then `Ok`, after a backup that is under way).
///
/// `taker` is made once, from the checked configuration; not for `--read-only`. The store is opened
/// here, again and again until it can be.
pub async fn run(
    _args: ServeArgs,
    _taker: impl FnOnce(&SidecarConfig) -> anyhow::Result<Arc<dyn Taker>>,
) -> Result<(), ServeError> {
    Err(anyhow::anyhow!("serve is being written").into())
}
