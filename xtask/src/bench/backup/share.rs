//! A share of the processors, as the kubelet gives it to a container: by what it asks for, which counts
//! when others want them too, and up to its limit.
//!
//! A control group of the machine, of version 1 or 2, for as long as this lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use ::tests::command::command;

/// Microseconds of which a limit allows a part.
const PERIOD: u64 = 100_000;
/// The kernel lets go of a group a moment after its last process.
const LETTING_GO: Duration = Duration::from_secs(5);

/// The group, and the programs in it.
#[derive(Debug)]
pub(super) struct Share {
    folder: PathBuf,
}

impl Share {
    /// A new one that asks for so many thousandths of a processor.
    pub(super) fn new(name: &str, request: u64, limit: Option<u64>) -> Result<Self> {
        let mounts =
            fs::read_to_string("/proc/self/mountinfo").context("finding control groups")?;
        let (root, is_v2) =
            hierarchy(&mounts).context("no control groups of processors are mounted")?;
        let share = Self { folder: root.join(format!("etcd-bench-{name}-{}", std::process::id())) };
        if is_v2 {
            put(&root.join("cgroup.subtree_control"), "+cpu")?;
        }
        fs::create_dir(&share.folder).context("making a control group; this needs root")?;
        for (file, value) in settings(is_v2, request, limit) {
            share.put(file, &value)?;
        }
        Ok(share)
    }

    /// Moves a running program into it, with all its threads.
    pub(super) fn take(&self, id: u32) -> Result<()> {
        self.put("cgroup.procs", &id.to_string())
    }

    /// A program that starts in it.
    pub(super) fn start(&self, program: &Path) -> Command {
        let mut shell = command("sh");
        shell.args(["-c", r#"echo $$ > "$0" && exec "$@""#]).arg(self.folder.join("cgroup.procs"));
        shell.arg(program);
        shell
    }

    fn put(&self, file: &str, value: &str) -> Result<()> {
        put(&self.folder.join(file), value)
    }
}

fn put(file: &Path, value: &str) -> Result<()> {
    fs::write(file, value).with_context(|| format!("writing {value} to {}", file.display()))
}

impl Drop for Share {
    /// What still runs in it runs on outside.
    fn drop(&mut self) {
        let left = fs::read_to_string(self.folder.join("cgroup.procs")).unwrap_or_default();
        let outside = self.folder.with_file_name("cgroup.procs");
        for id in left.lines() {
            // It has ended meanwhile.
            drop(put(&outside, id));
        }
        let start = std::time::Instant::now();
        while fs::remove_dir(&self.folder).is_err() && start.elapsed() < LETTING_GO {
            std::thread::yield_now();
        }
    }
}

/// Where groups for processors are made, and whether by the rules of version 2. With both versions
/// mounted, the controllers belong to version 1.
fn hierarchy(mountinfo: &str) -> Option<(PathBuf, bool)> {
    let mounted = mountinfo.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let root = PathBuf::from(mount.split(' ').nth(4)?);
        let mut words = filesystem.split(' ');
        let (kind, options) = (words.next()?, words.nth(1)?);
        match kind {
            "cgroup" if options.split(',').any(|option| option == "cpu") => Some((root, false)),
            "cgroup2" => Some((root, true)),
            _ => None,
        }
    });
    mounted.min_by_key(|(_, is_v2)| *is_v2)
}

/// Files and values, by the kubelet's rules.
fn settings(is_v2: bool, request: u64, limit: Option<u64>) -> Vec<(&'static str, String)> {
    let shares = (request * 1024 / 1000).max(2);
    let quota = limit.map(|limit| limit * PERIOD / 1000);
    if is_v2 {
        let weight = 1 + (shares - 2) * 9999 / 262_142;
        let quota = quota.map_or("max".to_owned(), |quota| quota.to_string());
        vec![("cpu.weight", weight.to_string()), ("cpu.max", format!("{quota} {PERIOD}"))]
    } else {
        let quota = quota.map_or("-1".to_owned(), |quota| quota.to_string());
        vec![
            ("cpu.shares", shares.to_string()),
            ("cpu.cfs_period_us", PERIOD.to_string()),
            ("cpu.cfs_quota_us", quota),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str =
        "25 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct";
    const V2: &str = "26 24 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn version_one_is_used_where_both_are_mounted() {
        let both = format!("{V2}\n{V1}\n");
        assert_eq!(hierarchy(&both), Some(("/sys/fs/cgroup/cpu,cpuacct".into(), false)));
        assert_eq!(hierarchy(V2), Some(("/sys/fs/cgroup/unified".into(), true)));
        assert_eq!(hierarchy(""), None);
    }

    #[test]
    fn shares_and_limits_are_those_of_the_kubelet() {
        let [shares, _, quota] = &settings(false, 500, Some(1000))[..] else { panic!("three") };
        assert_eq!((shares.1.as_str(), quota.1.as_str()), ("512", "100000"));
        let [weight, most] = &settings(true, 500, None)[..] else { panic!("two") };
        assert_eq!((weight.1.as_str(), most.1.as_str()), ("20", "max 100000"));
    }
}
