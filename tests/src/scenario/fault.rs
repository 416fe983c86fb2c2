//! A fault that has to hit a moment: etcd killed between its first log and its first save.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use rustix::process::Signal;

use super::node_of;
use crate::localkube::LocalKube;
use crate::localkube::process::Process;

/// etcd starts within this time of its pod, or the kill has missed it.
const LIMIT: Duration = Duration::from_mins(1);

/// Kills the etcd of a new pod as soon as its first log is there. Most of the time that leaves a data
/// directory from which no etcd ever starts again; whether it did is for the caller to find out.
pub async fn kill_etcd_at_its_first_log(kube: &LocalKube, pod: &Pod) -> Result<()> {
    let (node, uid) = (node_of(pod)?, pod.uid().context("the pod has no UID")?);
    let (kube, name) = (kube.clone(), pod.name_any());
    let hunt = tokio::task::spawn_blocking(move || {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let Some(process) = etcd_named(&name, &uid) else { continue };
            let logs: Vec<PathBuf> = kube
                .empty_dirs(node, &uid)
                .unwrap_or_default()
                .into_iter()
                .map(|folder| folder.join("data/member/wal"))
                .collect();
            while Instant::now() < deadline {
                if logs.iter().any(|log| log.is_dir()) {
                    process.signal(Signal::KILL);
                    return true;
                }
            }
        }
        false
    });
    let hit = hunt.await.context("the hunter died")?;
    anyhow::ensure!(hit, "etcd of {} made no log within {LIMIT:?}", pod.name_any());
    Ok(())
}

/// The etcd process of this member. Pods of other clusters may bear the name, so its cgroup or its
/// arguments must name the pod as well.
fn etcd_named(name: &str, pod_uid: &str) -> Option<Process> {
    let ids = std::fs::read_dir("/proc").ok()?;
    let ids = ids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let argument = format!("--name={name}");
    let is_it = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let is_etcd = words.next().is_some_and(|program| program.ends_with(b"/etcd"));
        let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        is_etcd && words.any(|word| word == argument.as_bytes()) && cgroup.contains(pod_uid)
    };
    ids.into_iter().find(is_it).and_then(Process::now)
}
