//! What `serve` is told on the command line, as typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::user::UserArgs;

/// Takes backups by schedule and on demand, and answers the operator.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// The configuration file, JSON.
    #[arg(long, value_name = "FILE", default_value = api::sidecar::paths::CONFIG)]
    pub config: PathBuf,

    /// Address of the API (mutual TLS).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:19999")]
    pub listen: SocketAddr,

    /// Address of /healthz, /readyz and /metrics (plain HTTP).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub health_listen: SocketAddr,

    /// Folder with tls.crt, tls.key and ca.crt for the API; read again when they change.
    #[arg(long, value_name = "FOLDER", default_value = api::sidecar::paths::TLS)]
    pub tls_dir: PathBuf,

    /// Only answer from what is in the archive: take no backups, delete nothing, need no etcd.
    #[arg(long)]
    pub read_only: bool,

    #[command(flatten)]
    pub user: UserArgs,
}
