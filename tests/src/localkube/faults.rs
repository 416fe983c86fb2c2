//! Faults: a cut cable, a node without power, a hung or killed process, a node that was re-imaged.
//!
//! All work from inside the control namespace, where the scenarios run. None of them waits until
//! Kubernetes has noticed; that is what the scenarios do.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::error::Error;
use super::import::ctr;
use super::layout::Node;
use super::process::{self, MountNamespace, Process};
use super::{LocalKube, files, network, node, teardown};
use crate::command::{command, run, run_with_input};

/// What is done to the main process of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessFault {
    /// It hangs: SIGSTOP.
    Stop,
    /// It goes on: SIGCONT.
    Continue,
    /// It dies at once: SIGKILL. Kubelet starts it again.
    Kill,
}

impl LocalKube {
    /// Pulls the node's cable: its pods run on and nobody reaches them.
    pub async fn cut(&self, node: Node) -> Result<(), Error> {
        self.check(node)?;
        network::set_cable(node, false).await?;
        network::service_route(&self.nodes()).await
    }

    /// Puts the cable of a node that was cut back in.
    pub async fn mend(&self, node: Node) -> Result<(), Error> {
        self.check(node)?;
        network::set_cable(node, true).await?;
        network::service_route(&self.nodes()).await
    }

    /// Takes the power off: the cable is dead and every process gone at the same moment. What is on
    /// its disk stays (volumes, emptyDirs, images), what is in memory does not.
    pub async fn kill_node(&self, node: Node) -> Result<(), Error> {
        self.cut(node).await?;
        let (netns, cgroup) = ([node.netns()], node.cgroup());
        process::kill_all(|| process::all_in(&netns, &cgroup)).await?;
        teardown::remove_shim_sockets(&self.paths, node)?;
        self.forget_memory(node).await
    }

    /// Leaves the node's folder as a boot does: nothing mounted, an empty /run. containerd then makes all
    /// pods anew. Both are done where the daemons are: the copy of the mount table that
    /// `ip netns exec` made for this program still has the mounts, and would keep their folders.
    async fn forget_memory(&self, node: Node) -> Result<(), Error> {
        let daemons = MountNamespace::of_daemons(&self.paths);
        teardown::unmount_below(&self.paths.node(node), &daemons).await?;
        let mut remove = daemons.command("rm");
        remove.arg("-rf").arg(self.paths.node(node).join("state"));
        run(&mut remove, Duration::from_mins(1)).await?;
        Ok(())
    }

    /// Starts a node that [`LocalKube::kill_node`] stopped; does nothing if it runs.
    pub async fn start_node(&self, node: Node) -> Result<(), Error> {
        self.check(node)?;
        if node::runs(&self.paths, node) {
            return Ok(());
        }
        // A start that was cut short may have left some of its daemons.
        self.kill_node(node).await?;
        self.mend(node).await?;
        node::start_containerd(&self.paths, node).await?;
        node::start_agents(&self.paths, node, |name| self.state.program(name))
    }

    /// Stops, continues or kills the main process of a pod's container.
    pub async fn container_process(
        &self,
        node: Node,
        pod_uid: &str,
        container: &str,
        fault: ProcessFault,
    ) -> Result<(), Error> {
        let main = self.main_process(node, pod_uid, container).await?;
        main.signal(match fault {
            ProcessFault::Stop => Signal::STOP,
            ProcessFault::Continue => Signal::CONT,
            ProcessFault::Kill => Signal::KILL,
        });
        Ok(())
    }

    /// Drops, without any answer, every packet to these ports of a pod, or lets them through again:
    /// the endpoints are a black hole while the processes behind them run on.
    pub async fn black_hole(
        &self,
        node: Node,
        pod_uid: &str,
        container: &str,
        ports: &[u16],
    ) -> Result<(), Error> {
        let main = self.main_process(node, pod_uid, container).await?;
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let rule = match ports.join(", ") {
            ports if ports.is_empty() => String::new(),
            ports => format!(
                "chain in {{ type filter hook input priority 0; tcp dport {{ {ports} }} drop; }}\n"
            ),
        };
        // Whatever an earlier call has set is replaced, in one transaction.
        let table = "table inet hole";
        let rules = format!("{table} {{}}\ndelete {table}\n{table} {{ {rule} }}\n");
        let mut nft = command("nsenter");
        nft.arg(format!("--net=/proc/{}/ns/net", main.pid())).args(["nft", "-f", "-"]);
        run_with_input(&mut nft, &rules, Duration::from_secs(15)).await?;
        Ok(())
    }

    /// Empties the pod's emptyDirs on a node that is off, as a node re-imaged under its old name has
    /// them: the same pod starts again and finds nothing. Returns how many there were.
    pub fn wipe_empty_dirs(&self, node: Node, pod_uid: &str) -> Result<usize, Error> {
        self.check(node)?;
        if node::runs(&self.paths, node) {
            return Err(Error::NodeRuns { node });
        }
        let volumes = self.empty_dirs(node, pod_uid)?;
        for volume in &volumes {
            for entry in files::entries(volume)? {
                let is_dir = entry.is_dir() && !entry.is_symlink();
                let removed = if is_dir {
                    std::fs::remove_dir_all(&entry)
                } else {
                    std::fs::remove_file(&entry)
                };
                removed.map_err(Error::file("remove", &entry))?;
            }
        }
        Ok(volumes.len())
    }

    /// The folders of the pod's emptyDirs on the node.
    pub fn empty_dirs(&self, node: Node, pod_uid: &str) -> Result<Vec<PathBuf>, Error> {
        let pod = self.paths.node(node).join("kubelet/pods").join(pod_uid);
        files::entries(pod.join("volumes/kubernetes.io~empty-dir"))
    }

    /// The process that a container was started for, asked of the node's containerd.
    async fn main_process(
        &self,
        node: Node,
        pod_uid: &str,
        container: &str,
    ) -> Result<Process, Error> {
        const LIMIT: Duration = Duration::from_secs(15);
        self.check(node)?;
        let filter = format!(
            r#"labels."io.kubernetes.pod.uid"=={pod_uid},labels."io.kubernetes.container.name"=={container}"#
        );
        let mut list = ctr(&self.paths, node);
        let ids = run(list.args(["containers", "list", "--quiet", &filter]), LIMIT).await?;
        let mut tasks = ctr(&self.paths, node);
        let tasks = run(tasks.args(["tasks", "list"]), LIMIT).await?;
        running_task(&ids, &tasks).and_then(Process::now).ok_or_else(|| Error::NoSuchContainer {
            node,
            pod_uid: pod_uid.to_owned(),
            container: container.to_owned(),
        })
    }
}

/// The process id of the running task among `ids`. Containers that ended before it are listed too,
/// and a stopped process counts as running: `ctr` calls it PAUSED or RUNNING.
fn running_task(ids: &str, tasks: &str) -> Option<i32> {
    let wanted: Vec<&str> = ids.split_whitespace().collect();
    tasks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (id, pid, status) = (words.next()?, words.next()?, words.next()?);
        let runs = wanted.contains(&id) && status != "STOPPED";
        runs.then(|| pid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::localkube::State;
    use crate::localkube::layout::Paths;

    #[test]
    fn wiping_empties_the_folders_of_one_pod_and_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        let node = Node::FIRST;
        let state = State {
            checkout: PathBuf::from("/some/checkout"),
            nodes: 1,
            is_complete: true,
            program_dirs: Vec::new(),
        };
        let kube = LocalKube { paths: paths.clone(), state };
        let pods = paths.node(node).join("kubelet/pods");
        let data = pods.join("uid-1/volumes/kubernetes.io~empty-dir/data");
        let other = pods.join("uid-2/volumes/kubernetes.io~empty-dir/data/member/wal");
        files::write(data.join("member/wal"), "log").unwrap();
        files::write(data.join("marker"), "").unwrap();
        files::write(&other, "log").unwrap();
        assert_eq!(kube.wipe_empty_dirs(node, "uid-1").unwrap(), 1);
        assert_eq!(files::entries(&data).unwrap(), Vec::<PathBuf>::new());
        assert!(data.is_dir());
        assert!(other.exists());
        assert_eq!(kube.wipe_empty_dirs(node, "uid-3").unwrap(), 0);
        let missing = kube.wipe_empty_dirs("n2".parse().unwrap(), "uid-1").unwrap_err();
        assert!(matches!(missing, Error::NoSuchNode { .. }), "{missing}");
    }

    #[test]
    fn the_running_one_of_several_containers_of_a_name_is_taken() {
        let tasks = "TASK PID STATUS\naa 11 STOPPED\nbb 22 RUNNING\ncc 33 RUNNING\n";
        assert_eq!(running_task("aa\nbb\n", tasks), Some(22));
        assert_eq!(running_task("aa\n", tasks), None);
        assert_eq!(running_task("", tasks), None);
    }
}
