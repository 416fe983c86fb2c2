//! `cargo xtask demo`: what the operator does, shown on a real Kubernetes.
//!
//! ```text
//! outside                            inside the local Kubernetes
//! images, Kubernetes ──── starts ──> operator, S3 server, clusters, faults, reading back
//! table        <──── its rows ─────┘
//! ```
//!
//! With `--context` there is no inside: the same story is told on a Kubernetes that the user has.

mod context;
mod copy;
mod held;
mod ledger;
mod life;
mod local;
mod loss;
mod scene;
mod story;

use std::process::ExitCode;

use anyhow::Result;
use testbed::s3::VERSION;

use ledger::Ledger;
use story::Backups;

const STORY: &str = "\
What it shows, on a real Kubernetes, while somebody writes all the time:
  1. A cluster of three comes up and is backed up to an S3 server every few seconds. Its leader is
     killed; it grows to five while the operator is killed; it shrinks to three. Every key is read back.
  2. All members are killed with their data. The operator brings the newest backup back by itself. Every
     key is compared: value, mod and create revision, version, lease. What was acknowledged after that
     backup is gone, and counted.
  3. Two of three are killed with their data. What the survivor holds is stored first; the cluster comes
     back with the last acknowledged write.
  4. A new cluster under another name begins with a backup, and is compared key by key.
It ends with a table of what was done, how long each step took and what came out, and removes what it
made. The exit code is 0 only if every step came out as it should.

Examples:
  cargo xtask demo                 on this machine: builds what is missing, about 3 minutes after that
  cargo xtask demo --keep          the same, and leaves it all up for you to look at
  cargo xtask demo --context kind-kind --operator-image registry.example/etcd-operator:dev \\
    --init-image registry.example/etcd-restore-init:dev \\
    --sidecar-image registry.example/etcd-backup-sidecar:dev
                                   on a Kubernetes that you have. It makes the namespaces etcd-operator and
                                   etcd-demo and an S3 server in the latter, and deletes them again";

/// Where to show it, and what to leave behind.
#[derive(clap::Args)]
#[command(after_long_help = STORY, after_help = "--help says what it shows, with examples")]
pub(crate) struct Options {
    /// Leave everything up at the end and tell how to look at it
    #[arg(long)]
    keep: bool,
    /// Leave out the backups, and with them all that comes back from one
    #[arg(long)]
    no_backups: bool,
    /// Use the Kubernetes of this kubeconfig context instead of the local one; kubectl must be installed
    #[arg(long, value_name = "NAME", requires_all = ["operator_image", "init_image"])]
    context: Option<String>,
    /// Image of the operator, where the nodes of that Kubernetes can pull it
    #[arg(long, value_name = "IMAGE", requires = "context")]
    operator_image: Option<String>,
    /// Image with etcd-restore-init, likewise
    #[arg(long, value_name = "IMAGE", requires = "context")]
    init_image: Option<String>,
    /// Image of etcd-backup-sidecar, likewise; needed unless --no-backups
    #[arg(long, value_name = "IMAGE", requires = "context")]
    sidecar_image: Option<String>,
    /// Image of the S3 server that is started there, `SeaweedFS`; absent: the public one
    #[arg(long, value_name = "IMAGE", requires = "context", conflicts_with = "no_backups")]
    s3_image: Option<String>,
    /// The part that runs inside the local Kubernetes; prints what it did as JSON
    #[arg(long, hide = true, conflicts_with = "context")]
    inside: bool,
}

impl Options {
    /// Where backups go on the local Kubernetes.
    fn local_backups(&self) -> Backups {
        if self.no_backups { Backups::LeftOut } else { Backups::Local }
    }

    /// Where they go on any other.
    fn pod_backups(&self) -> Backups {
        if self.no_backups {
            return Backups::LeftOut;
        }
        let public = || format!("docker.io/chrislusf/seaweedfs:{VERSION}");
        Backups::Pod { image: self.s3_image.clone().unwrap_or_else(public) }
    }
}

/// Shows it; the exit code is not zero when a step failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let backups = options.local_backups();
    if options.inside {
        return Box::pin(local::inside(options.keep, backups)).await;
    }
    let mut ledger = Ledger::default();
    let outcome = match (&options.context, &options.operator_image, &options.init_image) {
        (Some(context), Some(operator), Some(init)) => {
            let sidecar = options.sidecar_image.as_deref();
            let images = context::Images { operator, init, sidecar };
            let backups = options.pod_backups();
            Box::pin(context::show(context, &images, backups, options.keep, &mut ledger)).await
        }
        _ => Box::pin(local::show(options.keep, &backups, &mut ledger)).await,
    };
    print!("{ledger}");
    outcome.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        demo: Options,
    }

    const CONTEXT: [&str; 7] =
        ["demo", "--context", "theirs", "--operator-image", "o:1", "--init-image", "i:1"];

    #[test]
    fn on_a_kubernetes_of_the_users_the_s3_server_is_a_public_image_unless_another_is_named() {
        let backups = |more: &[&str]| {
            let line = Line::try_parse_from(CONTEXT.iter().chain(more)).unwrap();
            line.demo.pod_backups()
        };
        let image = |backups| match backups {
            Backups::Pod { image } => image,
            other => panic!("{other:?}"),
        };
        assert!(image(backups(&[])).starts_with("docker.io/chrislusf/seaweedfs:4."));
        assert_eq!(image(backups(&["--s3-image", "mine:1"])), "mine:1");
        assert!(matches!(backups(&["--no-backups"]), Backups::LeftOut));
    }

    #[test]
    fn images_are_for_a_kubernetes_of_the_users() {
        assert!(Line::try_parse_from(["demo", "--s3-image", "mine:1"]).is_err());
        assert!(Line::try_parse_from(["demo", "--keep", "--no-backups"]).is_ok());
    }
}
