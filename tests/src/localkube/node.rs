//! The daemons of one node: containerd, kubelet, kube-proxy.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::Error;
use super::layout::{Node, Paths};
use super::process::{self, Daemon};
use crate::command::on_path;

/// The node on which scenarios make a node's faults.
pub const FAULTY: &str = "n3";
/// The label of all other nodes, for what is to outlast those faults.
pub const QUIET: (&str, &str) = ("tests.etcd.coreos.com/faults", "none");

/// The node's daemons, in the order of their start.
pub(super) const DAEMONS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

/// Under which the log and process id of a node's daemon are kept.
pub(super) fn daemon_name(node: Node, daemon: &str) -> String {
    format!("{node}-{daemon}")
}

/// Whether its daemons run.
pub(super) fn runs(paths: &Paths, node: Node) -> bool {
    let mut daemons = DAEMONS.iter().map(|name| daemon_name(node, name));
    daemons.all(|name| process::running(paths, &name).is_some())
}

/// Starts containerd and returns once it answers.
pub(super) async fn start_containerd(paths: &Paths, node: Node) -> Result<(), Error> {
    const LIMIT: Duration = Duration::from_mins(1);
    let socket = paths.containerd_socket(node);
    // A socket left by a killed one would be taken for the new one's.
    std::fs::remove_file(&socket).ok();
    let program = on_path("containerd").unwrap_or_else(|| PathBuf::from("/usr/bin/containerd"));
    let args = vec!["--config".into(), paths.node(node).join("containerd.toml").into_os_string()];
    let containerd = start(paths, node, "containerd", program, args)?;
    let deadline = Instant::now() + LIMIT;
    while tokio::net::UnixStream::connect(&socket).await.is_err() {
        let name = daemon_name(node, "containerd");
        if !containerd.is_alive() {
            return Err(process::ended(paths, &name));
        }
        if Instant::now() > deadline {
            let what = format!("containerd of node {node} does not answer");
            return Err(Error::Late { what, limit: LIMIT, see: paths.log(&name) });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Starts kubelet and kube-proxy; `program` tells where they are. The API server must answer.
pub(super) fn start_agents(
    paths: &Paths,
    node: Node,
    program: impl Fn(&str) -> PathBuf,
) -> Result<(), Error> {
    let dir = paths.node(node);
    let mut kubelet_args: Vec<OsString> = vec![
        "--config".into(),
        dir.join("kubelet.yaml").into(),
        "--kubeconfig".into(),
        paths.kubeconfig_of(&node.to_string()).into(),
        "--root-dir".into(),
        dir.join("kubelet").into(),
        format!("--hostname-override={node}").into(),
        format!("--node-ip={}", node.address()).into(),
        "--v=1".into(),
    ];
    if node.to_string() != FAULTY {
        kubelet_args.push(format!("--node-labels={}={}", QUIET.0, QUIET.1).into());
    }
    start(paths, node, "kubelet", program("kubelet"), kubelet_args)?;
    let proxy_args = vec!["--config".into(), dir.join("kube-proxy.yaml").into()];
    start(paths, node, "kube-proxy", program("kube-proxy"), proxy_args)?;
    Ok(())
}

fn start(
    paths: &Paths,
    node: Node,
    daemon: &str,
    program: PathBuf,
    args: Vec<OsString>,
) -> Result<process::Process, Error> {
    let (name, netns) = (daemon_name(node, daemon), node.netns());
    process::start(paths, Daemon { name: &name, netns: &netns, program, args })
}
