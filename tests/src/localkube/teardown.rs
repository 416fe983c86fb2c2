//! The end of a local Kubernetes, whole or in remains: no process, mount, namespace, cgroup stays.
//!
//! What belongs to it is found by namespace, control group and folder, not by what a run remembers, so a
//! run that was killed at any point leaves nothing that this would miss.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Error;
use super::layout::{CGROUP, NETNS_DIR, Node, PROVISIONER_DIR, Paths, all_netns};
use super::process::MountNamespace;
use super::{cgroup, files, network, process};
use crate::command::run;

/// Ends everything. Does nothing where there is nothing.
pub(super) async fn remove(paths: &Paths) -> Result<(), Error> {
    let everything = format!("/{CGROUP}");
    process::kill_all(|| process::all_in(&all_netns(), &everything)).await?;
    unmount_below(&paths.run(), &MountNamespace::own()).await?;
    network::remove().await?;
    cgroup::remove().await?;
    for node in Node::first(super::layout::MOST_NODES) {
        remove_shim_sockets(paths, node)?;
    }
    unlink_volumes(paths)?;
    files::remove_all(paths.run())?;
    let processes = process::all_in(&all_netns(), &everything).len();
    let mounts = mounts_below(&paths.run(), &files::read(MountNamespace::own().table())?);
    let mut places: Vec<_> =
        all_netns().iter().map(|netns| Path::new(NETNS_DIR).join(netns)).collect();
    places.extend(cgroup::places()?);
    places.push(paths.run());
    let places: Vec<_> = places.into_iter().filter(|place| place.exists()).collect();
    nothing_left(processes, &mounts, &places)
}

/// Fails when something is left, so that every run that ends with `down` shows that nothing is.
fn nothing_left(processes: usize, mounts: &[String], places: &[PathBuf]) -> Result<(), Error> {
    let processes = (processes > 0).then(|| format!("{processes} processes"));
    let mounts = mounts.iter().map(|mount| format!("the mount {mount}"));
    let places = places.iter().map(|place| place.display().to_string());
    let what: Vec<String> = processes.into_iter().chain(mounts).chain(places).collect();
    if what.is_empty() { Ok(()) } else { Err(Error::Left { what }) }
}

/// Makes the host-path provisioner's folder a link to ours, so that volumes are on disk and go with us.
pub(super) fn link_volumes(paths: &Paths) -> Result<(), Error> {
    let link = Path::new(PROVISIONER_DIR);
    files::make_dir(paths.volumes())?;
    // Empty, it was left by some other Kubernetes and nobody misses it.
    std::fs::remove_dir(link).ok();
    std::os::unix::fs::symlink(paths.volumes(), link).map_err(|_| Error::Content {
        path: link.to_owned(),
        problem: "exists and is not ours; Kubernetes' host-path provisioner writes there and nowhere else, so move it away".to_owned(),
    })
}

fn unlink_volumes(paths: &Paths) -> Result<(), Error> {
    let link = Path::new(PROVISIONER_DIR);
    if std::fs::read_link(link).is_ok_and(|target| target == paths.volumes()) {
        std::fs::remove_file(link).map_err(Error::file("remove", link))?;
    }
    Ok(())
}

/// Unmounts everything mounted below `dir` in `namespace`, the innermost first.
pub(super) async fn unmount_below(dir: &Path, namespace: &MountNamespace) -> Result<(), Error> {
    let mounts = mounts_below(dir, &files::read(namespace.table())?);
    // The kernel limits the length of a command line; a node has a few mounts per pod.
    for some in mounts.chunks(200) {
        let mut umount = namespace.command("umount");
        umount.arg("--lazy").args(some);
        run(&mut umount, Duration::from_mins(1)).await?;
    }
    Ok(())
}

/// The mount points below `dir` in the text of `/proc/…/mounts`, last mounted first.
fn mounts_below(dir: &Path, table: &str) -> Vec<String> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<String> =
        points.filter(|point| Path::new(point).starts_with(dir)).map(str::to_owned).collect();
    below.reverse();
    below
}

/// containerd's shims listen outside of its folders, at an address that each leaves in a file there.
pub(super) fn remove_shim_sockets(paths: &Paths, node: Node) -> Result<(), Error> {
    let tasks = paths.node(node).join("state/io.containerd.runtime.v2.task/k8s.io");
    for task in files::entries(tasks)? {
        let address = std::fs::read_to_string(task.join("address")).unwrap_or_default();
        if let Some(socket) = address.trim().strip_prefix("unix://") {
            // Two containers of a pod share a shim; the second finds the socket gone.
            std::fs::remove_file(socket).ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_leaves_something_is_a_failure_that_names_it() {
        assert!(nothing_left(0, &[], &[]).is_ok());
        let netns = [PathBuf::from("/run/netns/eto-n1")];
        let error = nothing_left(2, &["/run/x/n1".into()], &netns).unwrap_err().to_string();
        assert!(error.ends_with("2 processes, the mount /run/x/n1, /run/netns/eto-n1"), "{error}");
    }

    #[test]
    fn only_mounts_below_the_folder_count_and_the_last_comes_first() {
        let table =
            "a /run/x/n1 t rw 0 0\nb /run/x/n1/in t rw 0 0\nc /run/xy t rw 0 0\nd / t rw 0 0";
        assert_eq!(mounts_below(Path::new("/run/x"), table), ["/run/x/n1/in", "/run/x/n1"]);
    }
}
