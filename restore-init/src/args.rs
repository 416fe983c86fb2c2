//! What the pod's command line says, unchecked; [`crate::config::Config`] is the checked form.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    accompany::AccompanyArgs,
    install::InstallArgs,
    restore::{self, args::RunArgs},
};

const GUARD_EXIT_CODES: &str = "\
Exit codes:
  0    etcd may start
  1    it could not be decided; the message says why, and the next run tries again
  2    the command line cannot be read
  3    etcd must not start: this pod has served and its data is gone (reason DataLost)
  143  ended by SIGTERM, 130 by SIGINT

With exit code 1 and 3 the termination log holds one line of JSON: {\"reason\":…,\"message\":…}.";

/// Runs before etcd in a member's pod: decides whether etcd may start, and brings data back.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lets etcd start on a data directory that holds a log, and on an empty one only when nothing
    /// can be lost by it: never in a pod that has served, and for a joiner not before the existing
    /// members list it.
    #[command(after_help = GUARD_EXIT_CODES)]
    Guard(GuardArgs),

    /// Copies this program and the trusted CA certificates into a folder that an init container of
    /// another image shares.
    Install(InstallArgs),

    /// Makes an etcd data directory of a backup, with the etcdutl of the image that it runs in.
    #[command(after_help = restore::args::AFTER_HELP)]
    Run(Box<RunArgs>),

    /// Becomes another program that ends when this one's parent does.
    #[command(hide = true)]
    Accompany(AccompanyArgs),
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

    /// First copies this program and the trusted CA certificates into this folder, as `install` does:
    /// the next container restores a backup with them
    #[arg(long, value_name = "DIR")]
    pub install_to: Option<PathBuf>,

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
