//! A pod's view of the guard: folders, files, the process and how it ended.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use testbed::{PATIENCE, member::send_signal};

/// The member that the guard stands before.
pub(crate) const PEER_URL: &str = "http://quince-7.quince.orchard.svc:2380";

/// One pod: a data directory that is not there yet, annotations without "served".
pub(crate) struct Pod {
    folder: TempDir,
    flags: Vec<String>,
}

impl Pod {
    pub(crate) fn seed() -> Self {
        Self::new("seed")
    }

    /// A joiner that asks those URLs.
    pub(crate) fn joiner<S: AsRef<str>>(ask: &[S]) -> Self {
        let mut pod = Self::new("joiner");
        for url in ask {
            pod = pod.flag("--ask", url.as_ref());
        }
        pod
    }

    fn new(role: &str) -> Self {
        let pod = Self { folder: tempfile::tempdir().unwrap(), flags: Vec::new() };
        pod.annotate("etcd.coreos.com/role=\"joiner\"\n");
        fs::write(pod.termination_log(), "").unwrap();
        pod.flag("--role", role)
    }

    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push(format!("{name}={value}"));
        self
    }

    pub(crate) fn served(self) -> Self {
        self.annotate("etcd.coreos.com/role=\"seed\"\netcd.coreos.com/served=\"true\"\n");
        self
    }

    pub(crate) fn annotate(&self, text: &str) {
        fs::write(self.annotations(), text).unwrap();
    }

    pub(crate) fn annotations(&self) -> PathBuf {
        self.folder.path().join("annotations")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn termination_log(&self) -> PathBuf {
        self.folder.path().join("termination-log")
    }

    /// Makes files in the data directory; a path that ends in `/` is a directory.
    pub(crate) fn with_data(self, paths: &[&str]) -> Self {
        fs::create_dir_all(self.data_dir()).unwrap();
        for path in paths {
            let path = self.data_dir().join(path);
            if path.to_str().unwrap().ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "pulp").unwrap();
            }
        }
        self
    }

    /// Every path in the data directory with its bytes.
    pub(crate) fn data(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.data_dir()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                    found.push((path, Vec::new()));
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }

    /// The termination message; `None` when there is none.
    pub(crate) fn termination_message(&self) -> Option<serde_json::Value> {
        let text = fs::read_to_string(self.termination_log()).unwrap();
        assert!(text.matches('\n').count() <= 1, "more than one line: {text}");
        (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etcd-restore-init"));
        command.arg("guard").arg("--name=quince-7").args(&self.flags);
        if !self.flags.iter().any(|flag| flag.starts_with("--peer-url")) {
            command.arg(format!("--peer-url={PEER_URL}"));
        }
        for (name, path) in [
            ("--data-dir", self.data_dir()),
            ("--annotations", self.annotations()),
            ("--termination-log", self.termination_log()),
        ] {
            command.arg(name).arg(path);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    /// Runs the guard to its end.
    pub(crate) async fn run(&self) -> Output {
        let running = self.command().output();
        timeout(PATIENCE, running).await.expect("the guard ends").unwrap()
    }

    /// Starts the guard, which is expected to wait.
    pub(crate) fn start(self) -> Waiting {
        let mut child = self.command().spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Waiting { pod: self, child, lines }
    }
}

/// A guard at work; dropping it kills it.
pub(crate) struct Waiting {
    pub(crate) pod: Pod,
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Waiting {
    /// Its next line on standard error.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the guard says something").unwrap().expect("the guard has not ended")
    }

    /// The exit code when it ends.
    pub(crate) async fn end(&mut self) -> i32 {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the guard ends").unwrap();
        status.code().expect("the guard ends by itself")
    }

    /// Whether it still waits.
    pub(crate) fn waits(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.child.id().unwrap(), name);
    }

    /// The most memory it has held, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = Path::new("/proc").join(self.child.id().unwrap().to_string()).join("status");
        let status = fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
