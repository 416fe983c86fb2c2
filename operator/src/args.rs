//! What the user typed, without any check. [`crate::config::Config`] is made from it.

use clap::Parser;
use telemetry::LogFormat;

/// Manages the membership of etcd clusters on Kubernetes.
///
/// Creates, grows, shrinks, heals and deletes the etcd clusters that Cluster objects ask for.
/// Everything it knows is in Kubernetes and in etcd: it can be stopped at any moment. Several
/// replicas may run; the one that holds the Lease works.
#[derive(Debug, Parser)]
#[command(name = "etcd-operator", version)]
pub struct Args {
    /// Look after the clusters of this namespace only. Absent: of all namespaces, which takes a
    /// `ClusterRole`.
    #[arg(long, env = "WATCH_NAMESPACE")]
    pub namespace: Option<String>,

    /// With one namespace: look at the nodes nevertheless, as for all namespaces. It takes a `ClusterRole`
    /// for nodes and their Leases, and lets a lost quorum be recovered without a person's word.
    #[arg(long, env = "WATCH_NODES", requires = "namespace")]
    pub watch_nodes: bool,

    /// Namespace of the Lease by which replicas agree who works.
    #[arg(long, env = "POD_NAMESPACE")]
    pub lease_namespace: String,

    /// Name of this replica, which the Lease and the events show.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: String,

    /// Image with etcd-restore-init, which guards the start of every member.
    #[arg(long, env = "INIT_IMAGE")]
    pub init_image: String,

    /// Image with etcd-backup-sidecar, which takes the backups of a cluster.
    #[arg(long, env = "SIDECAR_IMAGE")]
    pub sidecar_image: String,

    /// Secret in the operator's namespace with an AWS credentials file under the key credentials,
    /// for clusters that write `s3: {}`.
    #[arg(long, env = "BACKUP_AWS_SECRET", default_value = "", value_name = "SECRET")]
    pub backup_aws_secret: String,

    /// `ConfigMap` in the operator's namespace with an AWS configuration file under the key config,
    /// for clusters that write `s3: {}`.
    #[arg(long, env = "BACKUP_AWS_CONFIG", default_value = "", value_name = "CONFIGMAP")]
    pub backup_aws_config: String,

    /// Bucket of clusters that write `s3: {}`.
    #[arg(long, env = "BACKUP_S3_BUCKET", default_value = "", value_name = "BUCKET")]
    pub backup_s3_bucket: String,

    /// Provisioner of backup volumes, such as kubernetes.io/gce-pd: volumes whose spec names no class
    /// get the class etcd-backup- and its last part. Empty: the cluster's default class. none: no
    /// backups on volumes without a class.
    #[arg(long, env = "PV_PROVISIONER", default_value = "", value_name = "PROVISIONER")]
    pub pv_provisioner: String,

    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: String,

    /// Form of the log: text for people, json for machines.
    #[arg(long, env = "LOG_FORMAT", default_value = "text", value_name = "text|json")]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or a filter such as
    /// `info,etcd_operator=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}
