//! The etcd that is backed up: what is in it, and reading it back from any etcd.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use testbed::{
    cluster::{Cluster, answered},
    member::{Place, Process},
    programs::Version,
    until,
};

/// A running etcd of one member with data of every kind.
pub(crate) struct Original {
    pub(crate) version: Version,
    cluster: Cluster,
}

impl Original {
    pub(crate) async fn start(version: Version) -> Self {
        let cluster = Cluster::start(version, 1).await;
        let client = cluster.client(0).await;
        for number in 0..200_u32 {
            let key = format!("/trees/{:03}", number % 120);
            let value = number.to_string().repeat(20);
            answered(async || client.put(key.as_bytes(), value.as_bytes()).await).await.unwrap();
        }
        for number in 0..4_u64 {
            // Random, so that the stored backup is of some size, too.
            let value: Vec<u8> =
                std::iter::repeat_with(|| fastrand::u8(..)).take(300_000).collect();
            let key = format!("/large/{number}");
            answered(async || client.put(key.as_bytes(), &value).await).await.unwrap();
        }
        for number in 30..50 {
            let key = format!("/trees/{number:03}");
            answered(async || client.delete(key.as_bytes()).await).await.unwrap();
        }
        let original = Self { version, cluster };
        let lease = original.ctl(&["lease", "grant", "3600"]);
        let lease = lease.split_whitespace().nth(1).unwrap();
        original.ctl(&["put", "/leased", "leaf", "--lease", lease]);
        original
    }

    pub(crate) fn place(&self) -> &Place {
        &self.cluster.members[0].place
    }

    pub(crate) fn ctl(&self, args: &[&str]) -> String {
        etcdctl(self.version, self.place(), args)
    }

    /// What `etcdctl snapshot save` writes.
    pub(crate) fn snapshot(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("saved.db");
        self.ctl(&["snapshot", "save", file.to_str().unwrap()]);
        std::fs::read(file).unwrap()
    }
}

/// Runs etcdctl on one member and gives what it prints.
pub(crate) fn etcdctl(version: Version, place: &Place, args: &[&str]) -> String {
    let output = run_etcdctl(version, place, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "etcdctl {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn run_etcdctl(version: Version, place: &Place, args: &[&str]) -> Output {
    let mut etcdctl = Command::new(version.program("etcdctl"));
    etcdctl.args(["--endpoints", &place.client_url]).args(args).stdin(Stdio::null());
    etcdctl.output().unwrap()
}

/// The keys and the leases of an etcd.
pub(crate) type Contents = (Value, Vec<Value>);

/// Every key with value, create and mod revision, version and lease; and every lease with its keys.
pub(crate) fn contents(version: Version, place: &Place, more: &[&str]) -> Contents {
    let json = |args: &[&str]| -> Value {
        let args = [args, &["-w", "json"], more].concat();
        serde_json::from_str(&etcdctl(version, place, &args)).unwrap()
    };
    let keys = json(&["get", "", "--from-key"])["kvs"].take();
    let leases = json(&["lease", "list"])["leases"].take();
    let leases = leases.as_array().cloned().unwrap_or_default();
    let lease = |lease: Value| {
        let id = format!("{:x}", lease["id"].as_i64().unwrap());
        let found = json(&["lease", "timetolive", &id, "--keys"]);
        serde_json::json!([found["id"], found["granted-ttl"], found["keys"]])
    };
    (keys, leases.into_iter().map(lease).collect())
}

/// Where a restored member will run.
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) folder: TempDir,
}

impl Target {
    pub(crate) fn new() -> Self {
        Self { place: Place::new("fig-0"), folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join(&self.place.name)
    }

    /// Starts etcd on the restored directory: it must hold exactly that.
    pub(crate) async fn check(&self, version: Version, expected: &Contents) {
        let _restored = self.start(version, &[]).await;
        assert_eq!(contents(version, &self.place, &[]), *expected);
    }

    /// Everything beside and in the data directory, by path.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files_below(self.folder.path())
    }

    /// Starts etcd on the restored directory and waits until it serves. `more` are flags of etcdctl.
    pub(crate) async fn start(&self, version: Version, more: &[&str]) -> Process {
        let initial = format!("{}={}", self.place.name, self.place.peer_url);
        let flags = ["--initial-cluster", &initial];
        let process = Process::start(version, &self.place, self.folder.path(), &flags);
        let read = [&["get", "x"], more].concat();
        until("the restored etcd serves", async || {
            run_etcdctl(version, &self.place, &read).status.success().then_some(())
        })
        .await;
        process
    }

    /// What that etcd has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{}.log", self.place.name)))
            .unwrap()
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files_below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}
