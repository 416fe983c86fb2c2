//! The nodes' control groups, on machines with version 1, with both, and with version 2 alone.
//!
//! Kubelet wants its root group to exist in every hierarchy before it starts, and in version 1 a new
//! cpuset is empty until it is filled, which would keep every process out of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::Error;
use super::files;
use super::layout::{CGROUP, Node};

/// One mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    is_v2: bool,
}

/// Makes the groups of `nodes` wherever the machine needs them.
pub(super) fn prepare(nodes: &[Node]) -> Result<(), Error> {
    let hierarchies = mounted()?;
    // With both versions mounted, all controllers belong to version 1 and kubelet uses that.
    let has_v1 = hierarchies.iter().any(|hierarchy| !hierarchy.is_v2);
    for hierarchy in hierarchies.iter().filter(|hierarchy| hierarchy.is_v2 != has_v1) {
        let parent = hierarchy.root.join(CGROUP);
        make_group(hierarchy, &hierarchy.root, &parent)?;
        for node in nodes {
            make_group(hierarchy, &parent, &parent.join(node.to_string()))?;
        }
    }
    Ok(())
}

/// Removes every group of ours. The processes in them must have been ended.
pub(super) async fn remove() -> Result<(), Error> {
    const LIMIT: Duration = Duration::from_secs(10);
    let deadline = Instant::now() + LIMIT;
    for hierarchy in mounted()? {
        let ours = hierarchy.root.join(CGROUP);
        // The kernel lets go of a group a moment after its last process.
        while let Err(error) = remove_tree(&ours) {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// The folders of our groups, whether they are there or not.
pub(super) fn places() -> Result<Vec<PathBuf>, Error> {
    Ok(mounted()?.iter().map(|hierarchy| hierarchy.root.join(CGROUP)).collect())
}

fn mounted() -> Result<Vec<Hierarchy>, Error> {
    Ok(hierarchies(&files::read("/proc/self/mountinfo")?))
}

/// The hierarchies in the text of `/proc/self/mountinfo`: the mount point is the fifth field, the
/// file system's type the first one after the dash.
fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let parse = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_v2 = match filesystem.split(' ').next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        Some(Hierarchy { root: PathBuf::from(mount.split(' ').nth(4)?), is_v2 })
    };
    mountinfo.lines().filter_map(parse).collect()
}

fn make_group(hierarchy: &Hierarchy, parent: &Path, group: &Path) -> Result<(), Error> {
    if hierarchy.is_v2 {
        let available = files::read(parent.join("cgroup.controllers"))?;
        let enable: Vec<String> =
            available.split_whitespace().map(|controller| format!("+{controller}")).collect();
        put(&parent.join("cgroup.subtree_control"), &enable.join(" "))?;
    }
    files::make_dir(group)?;
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if !hierarchy.is_v2 && parent.join(file).exists() {
            put(&group.join(file), &files::read(parent.join(file))?)?;
        }
    }
    Ok(())
}

/// Control files cannot be created or truncated, only written.
fn put(file: &Path, value: &str) -> Result<(), Error> {
    use std::io::Write;
    let open = std::fs::File::options().write(true).open(file);
    open.and_then(|mut opened| opened.write_all(value.as_bytes()))
        .map_err(Error::file("write", file))
}

fn remove_tree(group: &Path) -> Result<(), Error> {
    for below in files::entries(group)?.into_iter().filter(|path| path.is_dir()) {
        remove_tree(&below)?;
    }
    match std::fs::remove_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::file("remove the control group", group)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
24 1 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
25 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
26 24 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
27 1 0:25 / /proc rw - proc proc rw";

    fn v2_root() -> (tempfile::TempDir, Hierarchy) {
        let folder = tempfile::tempdir().unwrap();
        let hierarchy = Hierarchy { root: folder.path().to_owned(), is_v2: true };
        (folder, hierarchy)
    }

    #[test]
    fn both_versions_are_told_apart() {
        let found = hierarchies(HYBRID);
        let v1 = Hierarchy { root: "/sys/fs/cgroup/cpu,cpuacct".into(), is_v2: false };
        let v2 = Hierarchy { root: "/sys/fs/cgroup/unified".into(), is_v2: true };
        assert_eq!(found, [v1, v2]);
    }

    #[test]
    fn version_two_hands_every_controller_to_the_new_group() {
        let (folder, hierarchy) = v2_root();
        files::write(folder.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        files::write(folder.path().join("cgroup.subtree_control"), "").unwrap();
        make_group(&hierarchy, folder.path(), &folder.path().join("eto")).unwrap();
        let enabled = files::read(folder.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(enabled, "+cpu +memory +pids");
        assert!(folder.path().join("eto").is_dir());
    }

    #[test]
    fn a_tree_of_groups_is_removed_from_its_leaves_up() {
        let (folder, _) = v2_root();
        let ours = folder.path().join("eto");
        files::make_dir(ours.join("n1/kubepods/pod")).unwrap();
        remove_tree(&ours).unwrap();
        assert!(!ours.exists());
        remove_tree(&ours).unwrap();
    }
}
