//! What the command line says, unchecked; [`crate::config`] has the checked forms.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{serve::ServeArgs, user::UserArgs};

const EXAMPLES: &str = "\
Examples:
  Take a backup of an etcd anywhere into a folder, and see it:
    etcd-backup-sidecar once --endpoints http://127.0.0.1:2379 --store file:///backups --cluster kv
    etcd-backup-sidecar list --store file:///backups

  The same with TLS and an S3 store (keys from the environment, as every AWS tool takes them):
    etcd-backup-sidecar once --cluster kv --endpoints https://10.0.0.1:2379 \\
      --cacert ca.crt --cert client.crt --key client.key \\
      --store 's3://bucket/prefix?endpoint=http://minio:9000'

  Restore: fetch the plain database and give it to etcd's own tool:
    etcd-backup-sidecar fetch 000000000001e240-20261122T164906Z -o kv.db --store file:///backups
    etcdutl snapshot restore kv.db --data-dir new

  The same with nothing but gunzip, from the path that `show` prints:
    gunzip -c data.db.gz > kv.db

Exit codes: 0 fine, 1 failed, 2 the command line cannot be used.";

const STORE: &str = "\
Where backups lie: s3://BUCKET/PREFIX?endpoint=URL, file:///FOLDER, gs://BUCKET/PREFIX or \
az://ACCOUNT/CONTAINER/PREFIX. Credentials never stand here; they come from the environment";

/// Takes, checks, keeps and hands out the backups of etcd clusters.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,

    /// What is logged to standard error: error, warn, info, debug, trace, or target=level; absent:
    /// info for serve, warn for the others
    #[arg(long, global = true, value_name = "LEVEL", env = "ETCD_BACKUP_LOG")]
    pub log: Option<String>,

    /// How it is logged: text or json
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "ETCD_BACKUP_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Takes backups by schedule and on demand, and answers the operator
    Serve(ServeArgs),
    /// Takes one backup now and prints its ID
    Once(OnceArgs),
    /// Lists backups, newest first
    List(ListArgs),
    /// Shows everything known about one backup
    Show(ShowArgs),
    /// Reads backups back, checks every byte and records what was found
    Verify(VerifyArgs),
    /// Deletes backups that no rule keeps, and what died on its way a day ago
    Prune(PruneArgs),
    /// Writes a backup's plain database into a file, for etcdutl
    Fetch(FetchArgs),
}

/// Where backups lie.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StoreArgs {
    /// Where backups lie
    #[arg(long, value_name = "URL", env = "ETCD_BACKUP_STORE", help = STORE)]
    pub store: String,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whose backups.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ScopeArgs {
    /// Only of this cluster
    #[arg(long, value_name = "NAME", env = "ETCD_BACKUP_CLUSTER")]
    pub cluster: Option<String>,

    /// Only of this Kubernetes namespace; _ for clusters outside Kubernetes
    #[arg(long, value_name = "NAMESPACE", env = "ETCD_BACKUP_NAMESPACE")]
    pub namespace: Option<String>,

    /// Only of the cluster with this UID, when several have borne the name
    #[arg(long, value_name = "UID", env = "ETCD_BACKUP_UID")]
    pub uid: Option<String>,
}

/// How etcd is reached, under the names that etcdctl has for it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct EtcdArgs {
    /// Client URLs of members, by commas; the others are found by the member list
    #[arg(
        long,
        value_name = "URLS",
        value_delimiter = ',',
        env = "ETCDCTL_ENDPOINTS",
        default_value = "http://127.0.0.1:2379"
    )]
    pub endpoints: Vec<String>,

    /// Certificates that members' certificates are signed by (PEM)
    #[arg(long, value_name = "FILE", env = "ETCDCTL_CACERT")]
    pub cacert: Option<PathBuf>,

    /// The client's own certificate (PEM), if etcd asks for one
    #[arg(long, value_name = "FILE", env = "ETCDCTL_CERT", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Its key (PEM)
    #[arg(long, value_name = "FILE", env = "ETCDCTL_KEY", requires = "cert")]
    pub key: Option<PathBuf>,

    #[command(flatten)]
    pub user: UserArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OnceArgs {
    #[command(flatten)]
    pub etcd: EtcdArgs,
    #[command(flatten)]
    pub store: StoreArgs,

    /// The name under which the backups are kept
    #[arg(long, value_name = "NAME", env = "ETCD_BACKUP_CLUSTER")]
    pub cluster: String,

    /// The cluster's Kubernetes namespace; _ outside Kubernetes
    #[arg(long, value_name = "NAMESPACE", env = "ETCD_BACKUP_NAMESPACE",
          default_value = archive::layout::OUTSIDE_KUBERNETES)]
    pub namespace: String,

    /// The UID of the Cluster object; absent: made of the ID that etcd has for the cluster
    #[arg(long, value_name = "UID", env = "ETCD_BACKUP_UID")]
    pub uid: Option<String>,

    /// Why; `before-recovery` and `final` also take it from a lone survivor without quorum,
    /// `scheduled` writes nothing when nothing has changed since the last backup
    #[arg(long, value_enum, default_value_t = ReasonArg::OnDemand)]
    pub reason: ReasonArg,

    /// Client URL of the member to take it from, without quorum too; absent: chosen
    #[arg(long, value_name = "URL")]
    pub member: Option<String>,
}

/// The reasons, as a manifest writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReasonArg {
    Scheduled,
    OnDemand,
    BeforeRecovery,
    BeforeUpgrade,
    Final,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The backup, as `list` shows it
    pub id: String,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// The backup, as `list` shows it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// All of them
    #[arg(long)]
    pub all: bool,
    /// Compute the hash that `etcdutl snapshot status` prints, too; needs room for the database in TMPDIR
    #[arg(long)]
    pub hash: bool,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub keep: KeepArgs,

    /// Only say what would go, and why
    #[arg(long)]
    pub dry_run: bool,
}

/// What stays; a backup stays while any of these wants it.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(id = "keep", required = true, multiple = true)]
pub(crate) struct KeepArgs {
    /// The newest this many; 0 keeps all
    #[arg(long, value_name = "N")]
    pub max_backups: Option<u32>,
    /// The newest this many
    #[arg(long, value_name = "N")]
    pub keep_last: Option<u32>,
    /// The newest of each hour, for the last this many hours that have one
    #[arg(long, value_name = "N")]
    pub keep_hourly: Option<u32>,
    /// The newest of each day (UTC), for this many days
    #[arg(long, value_name = "N")]
    pub keep_daily: Option<u32>,
    /// The newest of each week (from Monday, UTC), for this many weeks
    #[arg(long, value_name = "N")]
    pub keep_weekly: Option<u32>,
    /// The newest of each month (UTC), for this many months
    #[arg(long, value_name = "N")]
    pub keep_monthly: Option<u32>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FetchArgs {
    /// The backup, as `list` shows it
    pub id: String,

    /// The file to write; it appears only when every byte was found good
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub scope: ScopeArgs,
}
