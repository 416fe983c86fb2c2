//! `cargo xtask kube`: the local Kubernetes by hand.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use ::tests::localkube::{self, LocalKube, Node, layout::MOST_NODES};
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
    let status = kube.status().await?;
    let (checkout, kubeconfig) = (kube.checkout().display(), kube.kubeconfig());
    let mut lines = vec![
        format!("checkout    {checkout}"),
        format!("kubeconfig  {}", kubeconfig.display()),
        format!("control     {}", all_marks(&status.control_plane)),
    ];
    lines.extend(status.nodes.iter().map(|row| {
        let parts = all_marks(&[("power", row.runs), ("cable", row.is_connected)]);
        format!("{:<10}  {}, {parts}, {}", row.node.to_string(), row.condition, row.node.address())
    }));
    let pods = status.pods.iter().map(|(phase, count)| format!("{count} {phase}"));
    lines.push(format!("pods        {}", pods.collect::<Vec<_>>().join(", ")));
    lines.push("look at it  cargo xtask kube exec -- kubectl get pods -A\n".to_owned());
    // Not println: a reader such as `head` that has seen enough is no reason to panic.
    std::io::stdout().write_all(lines.join("\n").as_bytes()).context("writing the status")
}

fn all_marks(parts: &[(&str, bool)]) -> String {
    parts.iter().map(|(name, is_fine)| mark(name, *is_fine)).collect::<Vec<_>>().join(", ")
}

fn mark(name: &str, is_fine: bool) -> String {
    format!("{name} {}", if is_fine { "ok" } else { "OFF" })
}
