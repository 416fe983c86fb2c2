//! Who has the local Kubernetes of this machine up, and how far it got.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::layout::{Node, Paths};
use super::programs::Programs;
use super::{control_plane, files, process};

/// Written before the first namespace is made, so that a killed run can be told from none.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct State {
    /// The checkout that started it.
    pub checkout: PathBuf,
    /// Number of nodes.
    pub nodes: u8,
    /// Whether everything was started.
    pub is_complete: bool,
    /// The folders of the programs that commands inside find on PATH.
    pub program_dirs: Vec<PathBuf>,
}

impl State {
    pub(super) fn starting(checkout: &Path, nodes: u8, programs: &Programs) -> Self {
        let program_dirs = vec![programs.kubernetes.dir.clone(), programs.etcd_tools.dir.clone()];
        Self { checkout: checkout.to_owned(), nodes, is_complete: false, program_dirs }
    }

    /// Durable enough for its purpose once it returns: whole, or the one before.
    pub(super) fn write(&self, paths: &Paths) -> Result<(), Error> {
        files::replace(&paths.state(), serde_json::to_vec_pretty(self).unwrap_or_default())
    }

    /// Its nodes.
    pub fn all_nodes(&self) -> Vec<Node> {
        Node::first(self.nodes).collect()
    }

    /// Path of a program that commands inside find on PATH.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        let found = self.program_dirs.iter().map(|dir| dir.join(name)).find(|file| file.is_file());
        found.unwrap_or_else(|| PathBuf::from(name))
    }
}

/// What is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, as far as is recorded.
    Nothing,
    /// A start or an end that did not finish, or a control plane that died.
    Remains,
    /// A whole one.
    Up(State),
}

/// Looks at the record and at the control plane's processes.
pub(super) fn find(paths: &Paths) -> Found {
    if !paths.run().exists() {
        return Found::Nothing;
    }
    let recorded = files::read(paths.state()).ok();
    let state: Option<State> = recorded.and_then(|text| serde_json::from_str(&text).ok());
    let runs = || control_plane::DAEMONS.iter().all(|name| process::running(paths, name).is_some());
    match state {
        Some(state) if state.is_complete && runs() => Found::Up(state),
        _ => Found::Remains,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_as_complete_but_does_not_run_is_remains() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        assert_eq!(find(&paths), Found::Nothing);
        let state = State {
            checkout: PathBuf::from("/some/checkout"),
            nodes: 2,
            is_complete: true,
            program_dirs: Vec::new(),
        };
        state.write(&paths).unwrap();
        assert_eq!(find(&paths), Found::Remains);
        let own = process::Process::now(std::process::id().try_into().unwrap()).unwrap();
        for daemon in control_plane::DAEMONS {
            process::record(&paths, daemon, own).unwrap();
        }
        assert_eq!(find(&paths), Found::Up(state.clone()));
        State { is_complete: false, ..state }.write(&paths).unwrap();
        assert_eq!(find(&paths), Found::Remains);
    }
}
