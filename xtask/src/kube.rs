//! `cargo xtask kube`: the local Kubernetes by hand.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use ::tests::localkube::{self, LocalKube, Node, layout::MOST_NODES, status::Status};
use ::tests::progress::Progress;
use anyhow::{Context, Result};
use clap::Subcommand;

/// What to do with it.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start it; builds and installs what is missing, does nothing if it is up
    Up {
        /// How many nodes
        #[arg(long, default_value_t = MOST_NODES, value_parser = clap::value_parser!(u8).range(1..=3))]
        nodes: u8,
    },
    /// End it and remove every trace, also those of a killed run
    Down,
    /// Tell what runs and where the kubeconfig is
    Status,
    /// Run a command in it, with KUBECONFIG set and kubectl, etcdctl and etcdutl on PATH
    Exec {
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Pull the network cable of a node
    Cut {
        /// n1, n2 or n3
        node: Node,
    },
    /// Put the network cable of a node back in
    Mend {
        /// n1, n2 or n3
        node: Node,
    },
    /// Take the power off a node
    KillNode {
        /// n1, n2 or n3
        node: Node,
    },
    /// Start a node that has no power
    StartNode {
        /// n1, n2 or n3
        node: Node,
    },
    /// Import the project's images again after `cargo xtask images`
    Load,
}

impl Command {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let progress = Progress::new();
        match self {
            Self::Up { nodes } => {
                localkube::up(nodes, &progress).await?;
                show(&LocalKube::attach()?).await?;
            }
            Self::Down => localkube::down(&progress).await?,
            Self::Status => return status().await,
            Self::Exec { command } => return exec(&command),
            Self::Cut { node } => LocalKube::attach()?.cut(node).await?,
            Self::Mend { node } => LocalKube::attach()?.mend(node).await?,
            Self::KillNode { node } => LocalKube::attach()?.kill_node(node).await?,
            Self::StartNode { node } => LocalKube::attach()?.start_node(node).await?,
            Self::Load => localkube::load(&progress).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Exit code 1 when none is up, so that scripts can ask.
async fn status() -> Result<ExitCode> {
    match LocalKube::attach() {
        Ok(kube) => show(&kube).await.map(|()| ExitCode::SUCCESS),
        Err(error) => {
            println!("{error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Becomes the command: its input, output, signals and exit code are the caller's own.
fn exec(command: &[OsString]) -> Result<ExitCode> {
    let (program, args) = command.split_first().context("name a command after --")?;
    let error = LocalKube::attach()?.inside(program, args).exec();
    Err(error).context("`ip` could not be started; is iproute2 installed?")
}

async fn show(kube: &LocalKube) -> Result<()> {
    let Status { control_plane, nodes, pods } = kube.status().await?;
    println!("checkout    {}", kube.checkout().display());
    println!("kubeconfig  {}", kube.kubeconfig().display());
    let daemons = control_plane.iter().map(|(name, runs)| mark(name, *runs)).collect::<Vec<_>>();
    println!("control     {}", daemons.join(", "));
    for row in nodes {
        let power = mark("power", row.runs);
        let cable = mark("cable", row.is_connected);
        println!("{:<10}  {}, {power}, {cable}, {}", row.node, row.condition, row.node.address());
    }
    let phases = pods.iter().map(|(phase, count)| format!("{count} {phase}")).collect::<Vec<_>>();
    println!(
        "pods        {}",
        if phases.is_empty() { "none".to_owned() } else { phases.join(", ") }
    );
    println!("look at it  cargo xtask kube exec -- kubectl get pods -A");
    Ok(())
}

fn mark(name: &str, is_fine: bool) -> String {
    format!("{name} {}", if is_fine { "ok" } else { "OFF" })
}
