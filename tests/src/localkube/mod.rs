//! A real Kubernetes on this machine: API server, controllers, scheduler, kubelets, containers, DNS,
//! service addresses, volumes, with one to three nodes in network namespaces of their own.
//!
//! [`up()`] and [`down`] start and end it; there is one per machine, owned by the checkout that
//! started it. Scenarios run inside its control namespace, [`LocalKube::attach`] to it and do
//! [faults]. Nothing in it can reach, or be reached from, anything outside of the machine.

pub mod cache;
mod cgroup;
mod control_plane;
mod error;
pub mod faults;
mod files;
pub mod images;
mod import;
mod kubectl;
pub mod layout;
mod lock;
mod network;
pub mod node;
mod node_config;
pub mod packages;
mod pki;
pub mod process;
pub mod programs;
mod state;
pub mod status;
mod teardown;
mod up;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub use error::Error;
pub use faults::ProcessFault;
pub use kubectl::Kubectl;
pub use layout::Node;
pub use state::State;
pub use up::{down, load, up};

use layout::{CONTROL_NETNS, Paths};

/// The checkout that this runs for: cargo's word at run time, and where it was compiled without it.
/// (Two checkouts may share a target folder and then share one compiled program.)
pub fn workspace() -> PathBuf {
    let compiled = || PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(compiled, PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_owned)
}

/// The local Kubernetes that is up.
#[derive(Clone, Debug)]
pub struct LocalKube {
    paths: Paths,
    state: State,
}

impl LocalKube {
    /// Finds it; [`Error::NotUp`] says how to start one.
    pub fn attach() -> Result<Self, Error> {
        let paths = Paths::machine();
        match state::find(&paths) {
            state::Found::Up(state) => Ok(Self { paths, state }),
            _ => Err(Error::NotUp),
        }
    }

    /// Its nodes, also those that are off.
    pub fn nodes(&self) -> Vec<Node> {
        self.state.all_nodes()
    }

    /// The checkout that started it.
    pub fn checkout(&self) -> &Path {
        &self.state.checkout
    }

    /// The administrator's kubeconfig. Its server is reached from the control namespace alone.
    pub fn kubeconfig(&self) -> PathBuf {
        self.paths.kubeconfig()
    }

    /// kubectl as the administrator; works from inside and outside of the control namespace.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.state.program("kubectl"), &self.paths)
    }

    /// The log of a daemon: `kube-apiserver`, `n1-kubelet` and so on.
    pub fn log(&self, daemon: &str) -> PathBuf {
        self.paths.log(daemon)
    }

    /// A command in the control namespace, with its DNS, KUBECONFIG set and kubectl, etcdctl and
    /// etcdutl on PATH.
    pub fn inside<A: AsRef<OsStr>>(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
    ) -> std::process::Command {
        let before = self.state.program_dirs.iter().cloned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(before.chain(std::env::split_paths(&path)));
        let mut command = std::process::Command::new("ip");
        command.args(["netns", "exec", CONTROL_NETNS]).arg(program).args(args);
        command.env("KUBECONFIG", self.kubeconfig());
        // A folder on PATH that holds a colon cannot be joined; then it was no PATH before.
        command.env("PATH", path.unwrap_or_default());
        command
    }

    fn check(&self, node: Node) -> Result<(), Error> {
        if self.nodes().contains(&node) {
            return Ok(());
        }
        Err(Error::NoSuchNode { node, nodes: self.state.nodes })
    }
}
