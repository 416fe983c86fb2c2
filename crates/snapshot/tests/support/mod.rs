//! Real etcd with a busy history, and what etcdutl says of its snapshots.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "this is a part of tests, of which each uses a part"
)]

pub mod history;
pub mod writer;

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use etcd::MemberClient;
use snapshot::{Checked, Checker, Contents, Database, Error, Record};
use testbed::{cluster::Cluster, programs::Version};

/// Fed in pieces of that size.
pub fn checked(bytes: &[u8], piece: usize) -> Result<Checked, Error> {
    let mut checker = Checker::new();
    for piece in bytes.chunks(piece) {
        checker.push(piece)?;
    }
    checker.finish()
}

pub fn contents(bytes: &[u8]) -> Result<Contents, Error> {
    Database::open(bytes, bytes.len().try_into().unwrap())?.contents()
}

pub fn live(bytes: &[u8]) -> BTreeMap<Vec<u8>, Record> {
    let database = Database::open(bytes, bytes.len().try_into().unwrap()).unwrap();
    let mut live = BTreeMap::new();
    database.live(|record| drop(live.insert(record.key.clone(), record))).unwrap();
    live
}

/// A cluster, its client, and how etcdctl talks to it.
pub struct Etcd {
    pub version: Version,
    pub cluster: Cluster,
    pub client: MemberClient,
    user: Option<&'static str>,
    folder: tempfile::TempDir,
}

impl Etcd {
    pub async fn start(version: Version, size: usize) -> Self {
        let cluster = Cluster::start_with(version, size, &["--unsafe-no-fsync"]).await;
        let client = cluster.client(0).await;
        Self { version, cluster, client, user: None, folder: tempfile::tempdir().unwrap() }
    }

    pub fn ctl(&self, arguments: &[&str]) -> String {
        self.ctl_with(arguments, "")
    }

    pub fn ctl_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(self.version.program("etcdctl"));
        command.args(["--endpoints", &self.cluster.members[0].place.client_url]);
        command.args(["--command-timeout", "30s"]);
        command.args(self.user.into_iter().flat_map(|user| ["--user", user]));
        run(command.args(arguments), input)
    }

    /// One transaction of several changes.
    pub fn txn(&self, changes: &[String]) {
        self.ctl_with(&["txn"], &format!("\n{}\n\n\n", changes.join("\n")));
    }

    pub fn enable_auth(&mut self) {
        for arguments in [
            &["user", "add", "root:medlar"][..],
            &["user", "grant-role", "root", "root"],
            &["role", "add", "reader"],
            &["role", "grant-permission", "reader", "read", "a", "z"],
            &["user", "add", "operator_12345678:medlar"],
            &["auth", "enable"],
        ] {
            self.ctl(arguments);
        }
        self.user = Some("root:medlar");
    }

    pub fn snapshot(&self) -> Vec<u8> {
        let path = self.folder.path().join("snapshot.db");
        self.ctl(&["snapshot", "save", path.to_str().unwrap()]);
        std::fs::read(path).unwrap()
    }

    /// What etcdutl of the same version says of it.
    pub fn etcdutl_status(&self, bytes: &[u8]) -> serde_json::Value {
        let path = self.folder.path().join("status.db");
        std::fs::write(&path, bytes).unwrap();
        etcdutl_status(self.version, &path)
    }
}

pub fn etcdutl_status(version: Version, path: &Path) -> serde_json::Value {
    let mut command = Command::new(version.program("etcdutl"));
    command.args(["snapshot", "status", path.to_str().unwrap(), "-w", "json"]);
    serde_json::from_str(&run(&mut command, "")).unwrap()
}

fn run(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}
