//! What can go wrong with the local Kubernetes, each as a sentence that says what to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::Node;
use crate::command::CommandError;

/// An error of the local Kubernetes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// Read, write, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Namespaces, mounts and control groups are root's.
    #[error("the local Kubernetes needs root; run the command as root")]
    NotRoot,
    /// Starting and ending from inside would end the caller too.
    #[error("this runs inside the local Kubernetes; run it outside of `cargo xtask kube exec`")]
    Inside,
    /// There is none.
    #[error("no local Kubernetes is up; start one with `cargo xtask kube up`")]
    NotUp,
    /// It is up, but for another checkout.
    #[error(
        "the checkout {} has the local Kubernetes up and a machine can hold one; take it down with `cargo xtask kube down` in either checkout",
        checkout.display()
    )]
    OtherCheckout {
        /// Who has it up.
        checkout: PathBuf,
    },
    /// It is up with another number of nodes.
    #[error(
        "the local Kubernetes is up with {up} nodes, not {asked}; take it down first with `cargo xtask kube down`"
    )]
    OtherSize {
        /// The nodes it has.
        up: u8,
        /// The nodes that were asked for.
        asked: u8,
    },
    /// Another start or end is at work.
    #[error(
        "another `cargo xtask kube up` or `down` has been at work for over {limit:?}; wait for it or end it, then try again"
    )]
    Busy {
        /// How long this one waited.
        limit: Duration,
    },
    /// No such node in this local Kubernetes.
    #[error("the local Kubernetes has no node {node}; it has {nodes} of them, from n1 on")]
    NoSuchNode {
        /// The node that was asked for.
        node: Node,
        /// How many there are.
        nodes: u8,
    },
    /// A condition was waited for in vain.
    #[error("{what} after {limit:?}; see {}", see.display())]
    Late {
        /// What is not the case, as a sentence without its end.
        what: String,
        /// How long it was waited for.
        limit: Duration,
        /// The log that tells more.
        see: PathBuf,
    },
    /// A daemon ended by itself.
    #[error("{daemon} ended right after its start; its log {} says why", log.display())]
    DaemonEnded {
        /// Its name.
        daemon: String,
        /// Its log.
        log: PathBuf,
    },
    /// Certificates could not be made.
    #[error("the certificates of the local Kubernetes could not be made")]
    Certificates(#[from] rcgen::Error),
    /// A committed or generated file is not as expected.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A container that a fault was meant for does not run.
    #[error("no container `{container}` of the pod with UID {pod_uid} runs on node {node}")]
    NoSuchContainer {
        /// Where it was looked for.
        node: Node,
        /// The pod.
        pod_uid: String,
        /// The container's name in the pod.
        container: String,
    },
    /// The end left something: a defect of the teardown.
    #[error("the local Kubernetes was ended, yet there is still {}", what.join(", "))]
    Left {
        /// What.
        what: Vec<String>,
    },
    /// Something can only be done to a node that is off.
    #[error("node {node} runs; stop it first with `cargo xtask kube kill-node {node}`")]
    NodeRuns {
        /// Which.
        node: Node,
    },
}

impl Error {
    /// A wrapper for `map_err` around a file operation.
    pub(super) fn file(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::File { action, path, source }
    }
}
