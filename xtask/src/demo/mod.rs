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
  1. A cluster of three comes up and is backed up to an S3 server every few seconds. Its
     leader is killed, it grows to five while the operator is killed, it shrinks to three.
     Every key is read back.
  2. All members are killed with their data. The operator brings the newest backup back by
     itself. Every key is compared: value, mod and create revision, version, lease. What was
     acknowledged after that backup is gone, and counted.
  3. Two of three are killed with their data. What the survivor holds is stored first; the
     cluster comes back with the last acknowledged write.
  4. A new cluster under another name begins with a backup, and is compared key by key.
It ends with a table of what was done, how long each step took and what came out, and removes
what it made. The exit code is 0 only if every step came out as it should.

Examples:
  On this machine: builds what is missing, and takes about 3 minutes after that
    cargo xtask demo
  The same, and leaves it all up for you to look at
    cargo xtask demo --keep
  On a Kubernetes that you have. It makes the namespaces etcd-operator and etcd-demo, with an
  S3 server in the latter, and deletes them again
    cargo xtask demo --context kind-kind \\
      --operator-image registry.example/etcd-operator:dev \\
      --init-image registry.example/etcd-restore-init:dev \\
      --sidecar-image registry.example/etcd-backup-sidecar:dev";

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
    /// Run the S3 server as a pod of this image, which has the program weed; absent: beside the local
    /// Kubernetes, or chrislusf/seaweedfs on any other
    #[arg(long, value_name = "IMAGE", conflicts_with = "no_backups")]
    s3_image: Option<String>,
    /// The part that runs inside the local Kubernetes; prints what it did as JSON
    #[arg(long, hide = true, conflicts_with = "context")]
    inside: bool,
}

impl Options {
    fn backups(&self) -> Backups {
        let public = || format!("docker.io/chrislusf/seaweedfs:{VERSION}");
        match &self.s3_image {
            _ if self.no_backups => Backups::LeftOut,
            Some(image) => Backups::Pod { image: image.clone() },
            None if self.context.is_some() => Backups::Pod { image: public() },
            None => Backups::Local,
        }
    }
}

/// Shows it; the exit code is not zero when a step failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    let backups = options.backups();
    if options.inside {
        return Box::pin(local::inside(options.keep, backups)).await;
    }
    let mut ledger = Ledger::default();
    let outcome = match (&options.context, &options.operator_image, &options.init_image) {
        (Some(context), Some(operator), Some(init)) => {
            let sidecar = options.sidecar_image.as_deref();
            let images = context::Images { operator, init, sidecar };
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

    fn backups(line: &[&str]) -> Backups {
        Line::try_parse_from(line).unwrap().demo.backups()
    }

    #[test]
    fn the_s3_server_is_a_pod_on_a_kubernetes_of_the_users_and_where_an_image_is_named() {
        let pod = |image: &str| Backups::Pod { image: image.to_owned() };
        let public = format!("docker.io/chrislusf/seaweedfs:{VERSION}");
        assert_eq!(backups(&CONTEXT), pod(&public));
        assert_eq!(backups(&[&CONTEXT[..], &["--s3-image", "mine:1"]].concat()), pod("mine:1"));
        assert_eq!(backups(&["demo", "--s3-image", "mine:1"]), pod("mine:1"));
        assert_eq!(backups(&["demo"]), Backups::Local);
    }

    #[test]
    fn backups_are_left_out_only_where_that_is_asked_for() {
        assert_eq!(backups(&["demo", "--no-backups"]), Backups::LeftOut);
        assert_eq!(backups(&[&CONTEXT[..], &["--no-backups"]].concat()), Backups::LeftOut);
        let both = ["demo", "--no-backups", "--s3-image", "mine:1"];
        assert!(Line::try_parse_from(both).is_err());
    }

    #[test]
    fn images_of_the_project_are_for_a_kubernetes_of_the_users() {
        assert!(Line::try_parse_from(["demo", "--operator-image", "mine:1"]).is_err());
    }
}
