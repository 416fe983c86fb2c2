//! What the pod's command line says, unchecked; [`crate::config::Config`] is the checked form.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0    etcd may start
  1    it could not be decided; the message says why, and the next run tries again
  2    the command line cannot be read
  3    etcd must not start: this pod has served and its data is gone (reason DataLost)
  143  ended by SIGTERM, 130 by SIGINT

With exit code 1 and 3 the termination log holds one line of JSON: {\"reason\":…,\"message\":…}.";

/// Runs before etcd in a member's pod and decides whether etcd may start.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lets etcd start on a data directory that holds a log, and on an empty one only when nothing
    /// can be lost by it: never in a pod that has served, and for a joiner not before the existing
    /// members list it.
    #[command(after_help = EXIT_CODES)]
    Guard(GuardArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GuardArgs {
    /// etcd's data directory; the guard only reads it
    #[arg(long, value_name = "DIR", default_value = "/var/etcd/data")]
    pub data_dir: PathBuf,

    /// This member's name
    #[arg(long, value_name = "MEMBER")]
    pub name: String,

    /// This member's own peer URL, as the others are told it
    #[arg(long, value_name = "URL")]
    pub peer_url: String,

    /// How this member comes into being
    #[arg(long, value_enum)]
    pub role: Role,

    /// A joiner asks these for the member list: `http://IP:2380`; several by commas or repetition
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub ask: Vec<String>,

    /// Asked when no address of --ask answers: all addresses behind this name. It is not looked up
    /// before, because the cluster's DNS remembers for 30 s that a name is not there yet
    #[arg(long, value_name = "HOST:PORT")]
    pub ask_service: Option<String>,

    /// The pod's annotations, written by a downward-API volume
    #[arg(long, value_name = "FILE")]
    pub annotations: PathBuf,

    /// Where the kubelet reads why the container ended
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub termination_log: PathBuf,
}

/// How a member comes into being. The words are those of the pod's role annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// It starts the cluster alone.
    Seed,
    /// It was or will be added to members that exist.
    Joiner,
}
