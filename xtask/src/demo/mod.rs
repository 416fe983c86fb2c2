//! `cargo xtask demo`: what the operator does, shown on a real Kubernetes.
//!
//! ```text
//! outside                            inside the local Kubernetes
//! images, Kubernetes ──── starts ──> operator, cluster, faults, reading back
//! table        <──── its rows ─────┘
//! ```
//!
//! With `--context` there is no inside: the same story is told on a Kubernetes that the user has.

mod context;
mod ledger;
mod local;
mod story;

use std::process::ExitCode;

use anyhow::Result;

use ledger::Ledger;

/// Where to show it, and what to leave behind.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave everything up at the end and tell how to look at it
    #[arg(long)]
    keep: bool,
    /// Use the Kubernetes of this kubeconfig context instead of the local one; kubectl must be installed
    #[arg(long, value_name = "NAME", requires_all = ["operator_image", "init_image"])]
    context: Option<String>,
    /// Image of the operator, where the nodes of that Kubernetes can pull it
    #[arg(long, value_name = "IMAGE", requires = "context")]
    operator_image: Option<String>,
    /// Image with etcd-restore-init, likewise
    #[arg(long, value_name = "IMAGE", requires = "context")]
    init_image: Option<String>,
    /// The part that runs inside the local Kubernetes; prints what it did as JSON
    #[arg(long, hide = true, conflicts_with = "context")]
    inside: bool,
}

/// Shows it; the exit code is not zero when a step failed.
pub(crate) async fn run(options: Options) -> Result<ExitCode> {
    if options.inside {
        return Box::pin(local::inside(options.keep)).await;
    }
    let mut ledger = Ledger::default();
    let outcome = match (&options.context, &options.operator_image, &options.init_image) {
        (Some(context), Some(operator), Some(init)) => {
            let images = context::Images { operator, init };
            Box::pin(context::show(context, &images, options.keep, &mut ledger)).await
        }
        _ => Box::pin(local::show(options.keep, &mut ledger)).await,
    };
    print!("{ledger}");
    outcome.map(|()| ExitCode::SUCCESS)
}
