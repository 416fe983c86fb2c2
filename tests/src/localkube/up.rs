//! The start of a local Kubernetes.
//!
//! ```text
//! packages, programs, images ── network, certificates ─┬─ etcd, API server ──┬─ controllers, DNS
//!                                                      └─ containerd, images ┴─ kubelets, kube-proxy
//! ```

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::Error;
use super::images::{self, Archive};
use super::kubectl::{Kubectl, Late};
use super::layout::{CONTROL_NETNS, Node, PAUSE_IMAGE, Paths, STORAGE_CLASS};
use super::programs::{self, Programs};
use super::state::{self, Found, State};
use super::{
    cgroup, control_plane, import, lock, network, node, node_config, packages, pki, process,
    teardown, workspace,
};
use crate::progress::{Progress, seconds};

/// A start of all takes under half a minute; waiting longer for another one hides that it hangs.
const LOCK_LIMIT: Duration = Duration::from_mins(2);
const NODES_LIMIT: Duration = Duration::from_mins(3);

/// Brings the local Kubernetes up with `nodes` nodes; returns at once if it is, after importing images
/// that changed since. When it returns, all nodes are Ready and have all images.
pub async fn up(nodes: u8, progress: &Progress) -> Result<(), Error> {
    let paths = Paths::machine();
    check_caller()?;
    refuse_others(&state::find(&paths), nodes)?;
    packages::install(packages::KUBERNETES, progress).await?;
    let programs = programs::build(progress).await?;
    let mut archives = images::base(&programs, progress).await?;
    archives.extend(images::project()?);
    let _alone = lock::acquire(&paths.lock(), LOCK_LIMIT).await?;
    let found = state::find(&paths);
    refuse_others(&found, nodes)?;
    if let Found::Up(state) = found {
        return already_up(&paths, &state, &archives, progress).await;
    }
    progress.step("clear the ground", Duration::from_secs(1), teardown::remove(&paths)).await?;
    let start = Instant::now();
    Start { paths, programs, archives, progress }.run(nodes).await?;
    progress.say(&format!("{nodes} nodes are Ready after {}", seconds(start.elapsed())));
    Ok(())
}

/// Takes the local Kubernetes down, whichever checkout started it, and removes the remains of a
/// killed run. Nothing of it is left when it returns but what is in the user's cache.
pub async fn down(progress: &Progress) -> Result<(), Error> {
    let paths = Paths::machine();
    check_caller()?;
    let _alone = lock::acquire(&paths.lock(), LOCK_LIMIT).await?;
    match state::find(&paths) {
        Found::Nothing => progress.say("no local Kubernetes is up"),
        Found::Up(state) if state.checkout != workspace() => {
            let checkout = state.checkout.display();
            progress.say(&format!("the checkout {checkout} had it up; taking that one down"));
        }
        Found::Up(_) | Found::Remains => {}
    }
    // Also where nothing is recorded: namespaces may be left whose record is lost.
    let removal = teardown::remove(&paths);
    progress.step("take the local Kubernetes down", Duration::from_secs(3), removal).await
}

/// Imports project images that were made anew into the nodes that run.
pub async fn load(progress: &Progress) -> Result<(), Error> {
    let paths = Paths::machine();
    let _alone = lock::acquire(&paths.lock(), LOCK_LIMIT).await?;
    let Found::Up(state) = state::find(&paths) else { return Err(Error::NotUp) };
    refuse_others(&Found::Up(state.clone()), state.nodes)?;
    import_everywhere(&paths, &state, &images::project()?, progress).await
}

fn check_caller() -> Result<(), Error> {
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    if process::is_inside(CONTROL_NETNS) { Err(Error::Inside) } else { Ok(()) }
}

fn refuse_others(found: &Found, asked: u8) -> Result<(), Error> {
    match found {
        Found::Up(state) if state.checkout != workspace() => {
            Err(Error::OtherCheckout { checkout: state.checkout.clone() })
        }
        Found::Up(state) if state.nodes != asked => {
            Err(Error::OtherSize { up: state.nodes, asked })
        }
        _ => Ok(()),
    }
}

async fn already_up(
    paths: &Paths,
    state: &State,
    archives: &[Archive],
    progress: &Progress,
) -> Result<(), Error> {
    progress.say(&format!("the local Kubernetes is already up with {} nodes", state.nodes));
    import_everywhere(paths, state, archives, progress).await
}

async fn import_everywhere(
    paths: &Paths,
    state: &State,
    archives: &[Archive],
    progress: &Progress,
) -> Result<(), Error> {
    for node in state.all_nodes() {
        if !node::runs(paths, node) {
            progress.say(&format!("node {node} is off; `cargo xtask kube start-node {node}`"));
            continue;
        }
        for name in import::changed(paths, node, archives).await? {
            progress.say(&format!("imported {name} into {node}"));
        }
    }
    Ok(())
}

/// All that the steps of a start share.
struct Start<'a> {
    paths: Paths,
    programs: Programs,
    archives: Vec<Archive>,
    progress: &'a Progress,
}

impl Start<'_> {
    async fn run(&self, count: u8) -> Result<(), Error> {
        let nodes: Vec<Node> = Node::first(count).collect();
        let mut state = State::starting(&workspace(), count, &self.programs);
        state.write(&self.paths)?;
        let ground = self.prepare(&nodes);
        self.progress.step("make the network", Duration::from_secs(1), ground).await?;
        let kubectl = Kubectl::new(self.programs.kubernetes.program("kubectl"), &self.paths);
        let (api_is_ready, ready) = watch::channel(false);
        let control = self.control_plane(&kubectl, api_is_ready);
        tokio::try_join!(
            control,
            self.all_nodes(&nodes, &ready),
            self.wait(&kubectl, count, &ready)
        )?;
        state.is_complete = true;
        state.write(&self.paths)
    }

    async fn prepare(&self, nodes: &[Node]) -> Result<(), Error> {
        network::build(nodes).await?;
        cgroup::prepare(nodes)?;
        pki::write(&self.paths, nodes)?;
        teardown::link_volumes(&self.paths)
    }

    async fn control_plane(
        &self,
        kubectl: &Kubectl,
        is_ready: watch::Sender<bool>,
    ) -> Result<(), Error> {
        let api = control_plane::start_api(&self.paths, &self.programs, kubectl);
        self.progress.step("start the API server", Duration::from_secs(5), api).await?;
        is_ready.send_replace(true);
        control_plane::start_rest(&self.paths, &self.programs)?;
        kubectl.run_with_input(&["apply", "-f", "-"], &storage_class()).await?;
        Ok(())
    }

    async fn all_nodes(&self, nodes: &[Node], api: &watch::Receiver<bool>) -> Result<(), Error> {
        let one = |at: usize| async move {
            match nodes.get(at) {
                Some(node) => self.node(*node, api.clone()).await,
                None => Ok(()),
            }
        };
        let all = async { tokio::try_join!(one(0), one(1), one(2)).map(|_| ()) };
        self.progress.step("start containers and import images", Duration::from_secs(12), all).await
    }

    /// The pause image first: with it the node can run pods, and the rest follows while it starts.
    async fn node(&self, node: Node, mut api: watch::Receiver<bool>) -> Result<(), Error> {
        node_config::write(&self.paths, node)?;
        node::start_containerd(&self.paths, node).await?;
        let (pause, others): (Vec<Archive>, Vec<Archive>) =
            self.archives.iter().cloned().partition(|archive| archive.name == PAUSE_IMAGE);
        import::changed(&self.paths, node, &pause).await?;
        if api.wait_for(|is_ready| *is_ready).await.is_err() {
            // The control plane failed; its own error is the one to show.
            return std::future::pending().await;
        }
        node::start_agents(&self.paths, node, |name| self.programs.kubernetes.program(name))?;
        import::changed(&self.paths, node, &others).await?;
        Ok(())
    }

    async fn wait(
        &self,
        kubectl: &Kubectl,
        count: u8,
        api: &watch::Receiver<bool>,
    ) -> Result<(), Error> {
        if api.clone().wait_for(|is_ready| *is_ready).await.is_err() {
            return std::future::pending().await;
        }
        let ready = wait_until_ready(kubectl, &self.paths, count);
        self.progress.step("wait until the nodes are Ready", Duration::from_secs(8), ready).await
    }
}

async fn wait_until_ready(kubectl: &Kubectl, paths: &Paths, count: u8) -> Result<(), Error> {
    let late = Late {
        what: "not all nodes are Ready",
        limit: NODES_LIMIT,
        see: paths.log(&node::daemon_name(Node::FIRST, "kubelet")),
    };
    let all =
        |said: &str| said.lines().filter(|state| *state == "True").count() == usize::from(count);
    let states = r#"{range .items[*].status.conditions[?(@.type=="Ready")]}{.status}{"\n"}{end}"#;
    let query = format!("jsonpath={states}");
    kubectl.until(&["get", "nodes", "-o", &query], all, late).await?;
    // Before it exists, the first pod of a namespace is refused.
    let late = Late {
        what: "the service account `default` does not exist",
        limit: NODES_LIMIT,
        see: paths.log("kube-controller-manager"),
    };
    kubectl.until(&["get", "serviceaccount", "default"], |_| true, late).await
}

fn storage_class() -> String {
    let class = serde_json::json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/host-path",
    });
    class.to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn up_for(checkout: &Path, nodes: u8) -> Found {
        let checkout = checkout.to_owned();
        Found::Up(State { checkout, nodes, is_complete: true, program_dirs: Vec::new() })
    }

    #[test]
    fn another_checkout_is_named_and_another_size_refused() {
        let other = refuse_others(&up_for(Path::new("/home/them"), 3), 3).unwrap_err();
        assert!(other.to_string().contains("the checkout /home/them has"), "{other}");
        let size = refuse_others(&up_for(&workspace(), 3), 2).unwrap_err();
        assert!(size.to_string().contains("up with 3 nodes, not 2"), "{size}");
        refuse_others(&up_for(&workspace(), 3), 3).unwrap();
        refuse_others(&Found::Remains, 3).unwrap();
    }
}
