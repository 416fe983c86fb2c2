//! Runs the program and reads what it says.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use archive::manifest::Manifest;
use serde_json::Value;
use tempfile::TempDir;
use testbed::{PATIENCE, cluster::Cluster, s3};
use tokio::process::{Child, Command};

/// A store for backups, and how the program is told of it.
pub struct Archive {
    url: String,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

/// What a run ended in.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Archive {
    pub fn in_a_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        Self { url, environment: Vec::new(), folder }
    }

    pub async fn on(server: &s3::Server, bucket: &str) -> Self {
        server.create_bucket(bucket).await;
        let environment =
            server.environment().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            url: format!("s3://{bucket}/backups?endpoint={}", server.endpoint()),
            environment: environment.into(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// As `--store` takes it.
    #[allow(dead_code, reason = "some tests leave it to the environment")]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A path of a file beside the archive's.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All files of an archive in a folder.
    pub fn files(&self) -> Vec<PathBuf> {
        files_below(&self.folder.path().join("v1"))
    }

    /// The one file whose name begins so.
    pub fn file(&self, name: &str) -> PathBuf {
        let is_meant =
            |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(name);
        let mut found = self.files().into_iter().filter(is_meant);
        let (Some(file), None) = (found.next(), found.next()) else { panic!("not one {name}") };
        file
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etcd-backup-sidecar"));
        command
            .args(words)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("ETCD_BACKUP_STORE", &self.url)
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).spawn().unwrap()).await
    }

    /// Runs a command that must succeed; gives its JSON.
    pub async fn json(&self, words: &[&str]) -> Value {
        let run = self.run(&[words, &["--json"]].concat()).await;
        assert_eq!(run.code, Some(0), "{words:?}: {}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    }

    pub fn once(&self, cluster: &Cluster, more: &[&str]) -> Command {
        let endpoints: Vec<_> =
            cluster.members.iter().map(|member| member.place.client_url.as_str()).collect();
        let endpoints = endpoints.join(",");
        self.command(&[&["once", "--cluster", "kv", "--endpoints", &endpoints], more].concat())
    }

    /// Takes a backup, which must succeed.
    pub async fn take(&self, cluster: &Cluster, more: &[&str]) -> Manifest {
        let run = Run::of(self.once(cluster, &[more, &["--json"]].concat()).spawn().unwrap()).await;
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
    }

    /// The IDs of the backups that are listed.
    pub async fn ids(&self) -> Vec<String> {
        let list = self.json(&["list"]).await;
        let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(id).collect()
    }
}

impl Run {
    pub async fn of(child: Child) -> Self {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let Output { status, stdout, stderr } = output.expect("the program ends").unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The one sentence of a failure.
    #[track_caller]
    pub fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        // On a busy machine it has time to say how far it is.
        let is_progress = |line: &&str| line.starts_with("backup: ");
        let said = self.stderr.lines().skip_while(is_progress).collect::<Vec<_>>().join("\n");
        let start = self.stderr.find(&said).unwrap();
        let said = self.stderr[start..].trim();
        let sentence = said.strip_prefix("error: ").unwrap_or(said);
        assert!(!sentence.contains('\n'), "more than a sentence: {sentence}");
        sentence
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect();
    files.sort();
    files
}

/// Bytes that gzip makes no smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// Fills the database with so many MiB of noise.
pub async fn fill(cluster: &Cluster, megabytes: usize) {
    let client = cluster.client(0).await;
    let value = noise(1 << 20);
    for number in 0..megabytes {
        client.put(format!("/plum/{number}").as_bytes(), &value).await.unwrap();
    }
}

/// Runs a program of etcd's, or another, which must succeed.
pub fn output(program: impl AsRef<std::ffi::OsStr>, words: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
