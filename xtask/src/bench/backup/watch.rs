//! Runs a program to its end and watches what it costs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// No stage of a 4 GB backup takes longer on two cores.
const LIMIT: Duration = Duration::from_mins(20);
/// Peak memory is what the kernel counted; it is read this often, since it goes with the process.
const GLANCE: Duration = Duration::from_millis(20);

/// What a program cost.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Cost {
    pub(in crate::bench) seconds: f64,
    /// The most memory that was resident at once, in MiB.
    pub(in crate::bench) peak_mib: f64,
}

/// Runs a program that must succeed.
pub(in crate::bench) async fn run(what: &mut Command) -> Result<Cost> {
    let start = Instant::now();
    let mut child = what
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", what.as_std().get_program().display()))?;
    let id = child.id().context("the program has no process id")?;
    let mut peak_mib: f64 = 0.0;
    let status = loop {
        peak_mib = peak_mib.max(resident(id, "VmHWM:").unwrap_or_default());
        tokio::select! {
            status = child.wait() => break status.context("waiting for it")?,
            () = tokio::time::sleep(GLANCE) => {}
        }
        ensure!(
            start.elapsed() < LIMIT,
            "{} came to no end",
            what.as_std().get_program().display()
        );
    };
    ensure!(status.success(), "{:?} ended with {status}", what.as_std());
    Ok(Cost { seconds: start.elapsed().as_secs_f64(), peak_mib })
}

/// A line of `/proc/ID/status` such as `VmRSS:`, in MiB; nothing when the process is gone.
pub(in crate::bench) fn resident(id: u32, line: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let kib = status.lines().find_map(|text| text.strip_prefix(line))?;
    let kib: f64 = kib.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use ::tests::command::command;

    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(resident(std::process::id(), "VmRSS:").unwrap() > 1.0);
        assert!(resident(std::process::id(), "VmNone:").is_none());
    }

    #[tokio::test]
    async fn a_program_that_fails_is_no_figure() {
        assert!(run(&mut command("false")).await.is_err());
        assert!(run(&mut command("true")).await.unwrap().seconds < 10.0);
    }
}
