//! The daemons and every other process of the local Kubernetes.
//!
//! A process is known by its id and its start time, and signalled through a pidfd that was checked
//! against both: an id that the kernel gave to another program since is never touched.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::Error;
use super::files;
use super::layout::{NETNS_DIR, Paths};
use crate::command::{CommandError, command, line};

/// A process that ran when this was made; it may have ended since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pid: i32,
    /// Clock ticks from boot to its start, as the kernel tells them.
    started: u64,
}

impl Process {
    /// The process that has the id `pid` now; `None` if none has, or it only waits to be reaped.
    pub fn now(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (state, started) = state_and_start(&stat)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, started })
    }

    /// Its id.
    pub fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        Self::now(self.pid) == Some(self)
    }

    /// Sends `signal`; does nothing if it has ended.
    pub fn signal(self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if self.is_alive() {
            // It may end between the check and here; then there is nothing left to signal.
            pidfd_send_signal(&handle, signal).ok();
        }
    }
}

/// State and start time out of `/proc/PID/stat`: fields 3 and 22, counted after the command's
/// name, which is in brackets and may hold anything.
fn state_and_start(stat: &str) -> Option<(char, u64)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ');
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// A program that goes on after the command that starts it has ended.
pub(super) struct Daemon<'a> {
    /// Under which its log and process id are kept.
    pub(super) name: &'a str,
    /// Its network namespace.
    pub(super) netns: &'a str,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<OsString>,
}

/// Starts `daemon` in its own session and remembers its process id.
///
/// It enters the network namespace by nsenter: `ip netns exec` would hide the control groups from it,
/// and kubelet cannot do without them. For the same reason it goes back to the mount namespace of
/// the first daemon when the caller itself was started by `ip netns exec`.
pub(super) fn start(paths: &Paths, daemon: Daemon<'_>) -> Result<Process, Error> {
    let log_path = paths.log(daemon.name);
    if let Some(folder) = log_path.parent() {
        files::make_dir(folder)?;
    }
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log_path)
        .map_err(Error::file("open", &log_path))?;
    let errors = log.try_clone().map_err(Error::file("open", &log_path))?;
    let mut starting = command("setsid");
    starting.arg("nsenter").args(MountNamespace::of_daemons(paths).argument());
    starting.arg(format!("--net={NETNS_DIR}/{}", daemon.netns));
    starting.arg(daemon.program).args(daemon.args);
    starting.kill_on_drop(false).stdout(Stdio::from(log)).stderr(Stdio::from(errors));
    let child = starting
        .spawn()
        .map_err(|source| CommandError::Start { command: line(&starting), source })?;
    let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Process::now);
    let process = process.ok_or_else(|| ended(paths, daemon.name))?;
    record(paths, daemon.name, process)?;
    Ok(process)
}

/// Remembers that `process` is the daemon of this name.
pub(super) fn record(paths: &Paths, daemon: &str, process: Process) -> Result<(), Error> {
    files::replace(&paths.pid(daemon), format!("{} {}\n", process.pid, process.started))
}

/// The error for a daemon that is no more.
pub(super) fn ended(paths: &Paths, daemon: &str) -> Error {
    Error::DaemonEnded { daemon: daemon.to_owned(), log: paths.log(daemon) }
}

/// The daemon's process, if it was started and still runs.
pub(super) fn running(paths: &Paths, daemon: &str) -> Option<Process> {
    let record = std::fs::read_to_string(paths.pid(daemon)).ok()?;
    let (pid, started) = record.trim().split_once(' ')?;
    let process = Process { pid: pid.parse().ok()?, started: started.parse().ok()? };
    process.is_alive().then_some(process)
}

/// A mount namespace: the one that all daemons share, or this program's own while none runs.
///
/// They differ where this program was started by `ip netns exec`, whose unmounting would reach nobody.
pub(super) struct MountNamespace(Option<Process>);

impl MountNamespace {
    pub(super) fn of_daemons(paths: &Paths) -> Self {
        Self(running(paths, super::control_plane::ETCD))
    }

    pub(super) fn own() -> Self {
        Self(None)
    }

    /// Its table of mounts.
    pub(super) fn table(&self) -> PathBuf {
        let owner = self.0.map_or_else(|| "self".to_owned(), |process| process.pid.to_string());
        Path::new("/proc").join(owner).join("mounts")
    }

    /// A command in it.
    pub(super) fn command(&self, program: &str) -> tokio::process::Command {
        let Some(argument) = self.argument() else { return command(program) };
        let mut inside = command("nsenter");
        inside.arg(argument).arg(program);
        inside
    }

    fn argument(&self) -> Option<String> {
        self.0.map(|process| format!("--mount=/proc/{}/ns/mnt", process.pid))
    }
}

/// Every process in one of the network namespaces, or in the control group `cgroup` or below it.
pub(super) fn all_in(netns: &[String], cgroup: &str) -> Vec<Process> {
    let namespaces: HashSet<(u64, u64)> =
        netns.iter().filter_map(|name| identity(&Path::new(NETNS_DIR).join(name))).collect();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let ours = ids.filter(|pid: &i32| {
        let its_netns = identity(Path::new(&format!("/proc/{pid}/ns/net")));
        its_netns.is_some_and(|id| namespaces.contains(&id)) || is_in_cgroup(*pid, cgroup)
    });
    ours.filter_map(Process::now).collect()
}

/// Whether this program itself runs in the network namespace `netns`.
pub(super) fn is_inside(netns: &str) -> bool {
    let there = identity(&Path::new(NETNS_DIR).join(netns));
    there.is_some() && there == identity(Path::new("/proc/self/ns/net"))
}

/// Device and inode: equal for two files that are the same namespace.
fn identity(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|meta| (meta.dev(), meta.ino()))
}

fn is_in_cgroup(pid: i32, cgroup: &str) -> bool {
    let membership = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    membership.lines().any(|line| lists_cgroup(line, cgroup))
}

/// `line` is `7:memory:/eto/n1/kubepods/…`; the path may hold colons itself.
fn lists_cgroup(line: &str, cgroup: &str) -> bool {
    let path = line.splitn(3, ':').nth(2).unwrap_or_default();
    path.strip_prefix(cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Kills what `find` returns until it returns nothing: a process may start another while it dies.
pub(super) async fn kill_all(find: impl Fn() -> Vec<Process>) -> Result<(), Error> {
    const LIMIT: Duration = Duration::from_secs(30);
    let deadline = Instant::now() + LIMIT;
    loop {
        let left = find();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let ids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
            let what = format!("the processes {} do not end", ids.join(", "));
            return Err(Error::Late { what, limit: LIMIT, see: PathBuf::from("/proc") });
        }
        for process in left {
            process.signal(Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 7777 1 1";
        assert_eq!(state_and_start(stat), Some(('S', 7777)));
    }

    #[test]
    fn a_cgroup_holds_itself_and_what_is_below_but_not_its_neighbour() {
        assert!(lists_cgroup("7:memory:/eto/n1/kubepods", "/eto/n1"));
        assert!(lists_cgroup("0::/eto/n1", "/eto/n1"));
        assert!(!lists_cgroup("7:memory:/eto/n10", "/eto/n1"));
        assert!(!lists_cgroup("7:memory:/other/eto/n1", "/eto/n1"));
    }

    #[tokio::test]
    async fn a_reused_process_id_is_not_signalled() {
        let mut child = command("sleep").arg("1000").spawn().unwrap();
        let process = Process::now(child.id().unwrap().try_into().unwrap()).unwrap();
        let earlier = Process { started: process.started - 1, ..process };
        assert!(!earlier.is_alive());
        earlier.signal(Signal::KILL);
        assert!(process.is_alive(), "the process that has the id now was hit");
        process.signal(Signal::KILL);
        let status = child.wait().await.unwrap();
        assert_eq!(status.code(), None);
        assert!(!process.is_alive());
    }

    #[tokio::test]
    async fn a_daemon_is_found_again_by_its_record_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path());
        let mut child = command("sleep").arg("1000").spawn().unwrap();
        let process = Process::now(child.id().unwrap().try_into().unwrap()).unwrap();
        record(&paths, "it", process).unwrap();
        assert_eq!(running(&paths, "it"), Some(process));
        child.kill().await.unwrap();
        assert_eq!(running(&paths, "it"), None);
    }
}
