//! What the command line of `run` says, unchecked; [`super::config::Config`] is the checked form.

use std::path::PathBuf;

/// What stands below the options in `--help`.
pub(crate) const AFTER_HELP: &str = "\
Exit codes:
  0    the data directory is restored, by this run or an earlier one
  1    it failed and may go well when run again: the store cannot be reached or does not accept the
       credentials, the disk is full, etcdutl failed
  2    the command line cannot be used
  3    refused, and the same run would be refused again: the backup is damaged or gone, the data
       directory holds something else, backup and etcd version do not go together
  143  ended by SIGTERM, 130 by SIGINT

Unless it is restored, nothing is changed and nothing is left behind; after a kill the next run starts
over. The termination log, if there is one, gets one line of JSON, and so does standard output with
--json: reason, message, retryable, fault, backup, clusterUid, manifestDigest, revision,
bumpedRevision, authEnabled, seconds, alreadyRestored.

Examples:
  etcd-restore-init run --from s3://backups/etcd?region=eu-west-1 --namespace shop --cluster orders \\
      --data-dir /var/etcd/data
  etcd-restore-init run --from file:///mnt/backups --cluster orders \\
      --backup 000000000001e240-20261122T164906Z --data-dir /var/lib/etcd";

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Where the backup is: `s3://BUCKET/PREFIX?endpoint=…&region=…`, `file:///DIR`, `gs://…`, `az://…`,
    /// or a backup sidecar, `https://HOST:19999`. Credentials come from the environment and the
    /// usual files, never from the URL
    #[arg(long, value_name = "URL")]
    pub from: String,

    /// The backup's ID, or `latest`
    #[arg(long, value_name = "ID", default_value = "latest")]
    pub backup: String,

    /// SHA-256 of the backup's manifest, which pins the backup to the last byte
    #[arg(long, value_name = "SHA256")]
    pub manifest_digest: Option<String>,

    /// Namespace of the cluster that was backed up; `_` for one outside Kubernetes
    #[arg(long, value_name = "NAMESPACE", default_value = archive::layout::OUTSIDE_KUBERNETES)]
    pub namespace: String,

    /// Name of the cluster that was backed up; a sidecar knows its own
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// UID of the cluster that was backed up, when several have borne its name
    #[arg(long, value_name = "UID")]
    pub uid: Option<String>,

    /// The data directory to make. It must not be there, or be empty, and must not be a mount point
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Name of the member that the data directory is for
    #[arg(long, value_name = "MEMBER", default_value = "default")]
    pub name: String,

    /// Where other members will reach it
    #[arg(long, value_name = "URLS", default_value = "http://localhost:2380")]
    pub initial_advertise_peer_urls: String,

    /// All members of the new cluster, as `NAME=URL`; this one alone by default
    #[arg(long, value_name = "MEMBERS")]
    pub initial_cluster: Option<String>,

    /// A name that no other cluster has had, so that members of the old one stay out; chosen by chance
    /// when the new cluster begins with one member
    #[arg(long, value_name = "TOKEN")]
    pub initial_cluster_token: Option<String>,

    /// Added to the backup's last revision, and all older revisions are marked as compacted: a client
    /// that saw later revisions is told so and reads anew, where it would miss changes silently
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    pub bump_revision: u64,

    /// Go on with the revision after the backup's last. Only when no client remembers a revision
    #[arg(long, conflicts_with = "bump_revision")]
    pub keep_revisions: bool,

    /// The etcdutl of the etcd that will run; looked for on PATH and in /usr/local/bin by default
    #[arg(long, value_name = "FILE")]
    pub etcdutl: Option<PathBuf>,

    /// Folder with tls.crt, tls.key and ca.crt, for a sidecar
    #[arg(long, value_name = "DIR")]
    pub tls_dir: Option<PathBuf>,

    /// Names this restore: a data directory that bears the same name is done. By default the name is
    /// made of the backup's place and ID
    #[arg(long, value_name = "ID")]
    pub restore_id: Option<String>,

    /// Where the kubelet reads how the container ended; not written unless it is there
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,

    /// Print the termination message on standard output
    #[arg(long)]
    pub json: bool,
}
