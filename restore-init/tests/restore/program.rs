//! The program under test, as an init container runs it.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Output, Stdio},
};

use api::restore::RestoreReport;
use tempfile::NamedTempFile;
use testbed::{PATIENCE, programs::Version};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{backup::Stored, original::Target};

/// A run to be.
pub(crate) struct Program {
    command: Command,
    termination_log: NamedTempFile,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Standard output and the termination message said the same.
    pub(crate) report: Option<RestoreReport>,
    pub(crate) stderr: String,
}

impl Program {
    /// Restores the newest backup of that store with the etcdutl of that version.
    pub(crate) fn new(backup: &Stored, target: &Target, version: Version) -> Self {
        Self::from(&backup.url(), target, version).args(["--namespace=orchard", "--cluster=quince"])
    }

    /// The same from any place, whose other flags are missing.
    pub(crate) fn from(url: &str, target: &Target, version: Version) -> Self {
        Self::with_etcdutl(url, target, &version.program("etcdutl"))
    }

    /// The same with any etcdutl.
    pub(crate) fn with_etcdutl(url: &str, target: &Target, etcdutl: &Path) -> Self {
        // Not in the target's folder, where nothing may be left behind.
        let termination_log = NamedTempFile::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_etcd-restore-init"));
        command.args(["run", "--from", url, "--json"]);
        command.arg("--data-dir").arg(target.data_dir());
        command.arg("--etcdutl").arg(etcdutl);
        command.arg("--termination-log").arg(termination_log.path());
        command.arg(format!("--name={}", target.place.name));
        command.arg(format!("--initial-advertise-peer-urls={}", target.place.peer_url));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        Self { command, termination_log }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    /// Ends at that stage as by a power cut.
    pub(crate) fn dying_at(self, stage: &str) -> Self {
        self.env("ETCD_FAULT_POINT", stage)
    }

    pub(crate) fn start(&mut self) -> Child {
        self.command.spawn().unwrap()
    }

    pub(crate) async fn end(&self, child: Child) -> Ended {
        let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
        let message = std::fs::read_to_string(self.termination_log.path()).unwrap();
        let Output { status, stdout, stderr } = output;
        assert_eq!(String::from_utf8(stdout).unwrap(), message);
        assert!(message.len() < 4096 && message.matches('\n').count() <= 1, "{message}");
        let report = (!message.is_empty()).then(|| serde_json::from_str(&message).unwrap());
        Ended { code: status.code(), report, stderr: String::from_utf8(stderr).unwrap() }
    }

    pub(crate) async fn run(mut self) -> Ended {
        let child = self.start();
        self.end(child).await
    }
}

impl Ended {
    /// The report of a restore that went well.
    pub(crate) fn restored(self) -> RestoreReport {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let report = self.report.unwrap();
        assert_eq!(report.reason, "Restored");
        report
    }

    /// The report of one that failed, which must have this exit code and reason.
    pub(crate) fn failed(self, code: i32, reason: &str) -> RestoreReport {
        let report = self.report.unwrap_or_else(|| panic!("no report: {}", self.stderr));
        assert_eq!((self.code, report.reason.as_str()), (Some(code), reason), "{}", self.stderr);
        assert_eq!(report.retryable, code == 1, "{report:?}");
        report
    }
}
