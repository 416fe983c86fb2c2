//! A sidecar that runs.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use api::sidecar::{BackupList, SidecarStatus, StoredBackup};
use axum::http::Method;
use rustls::ClientConfig;
use serde_json::json;
use tempfile::TempDir;
use testbed::{PATIENCE, cluster::Cluster, member::send_signal, until};
use tokio::process::Child;

use crate::{
    client::{self, Answer, Authority},
    harness::Archive,
};

/// Counts down the last byte of addresses; testbed's servers count up.
static ADDRESSES: AtomicU8 = AtomicU8::new(240);

/// What a sidecar is told, and where it is reached. It can be started again and again.
pub struct Site {
    folder: TempDir,
    api: SocketAddr,
    health: SocketAddr,
    config: Arc<ClientConfig>,
    pub authority: Authority,
}

/// A process; dropping it kills it.
pub struct Running(Child);

impl Site {
    /// A policy of this interval in seconds and number of backups that stay.
    pub fn new(archive: &Archive, endpoints: &[String], interval: u64, keep: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "cluster": {"namespace": "shop", "name": "kv", "uid": "0e1f-77"},
            "policy": {"backupIntervalInSecond": interval, "maxBackups": keep},
            "store": archive.url(),
            "endpoints": endpoints,
            "clientName": client::NAME,
            "spec": {"size": 3},
        });
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let authority = Authority::new();
        authority.install(folder.path());
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high, low, ADDRESSES.fetch_sub(1, Ordering::Relaxed));
        // Both at once, so that they are two.
        let ports = [0, 0].map(|port| TcpListener::bind((address, port)).unwrap());
        let [api, health] = ports.map(|port| port.local_addr().unwrap());
        let config = authority.trusted_by(Some(&authority));
        Self { folder, api, health, config, authority }
    }

    /// Writes another value into the configuration file, as the kubelet exchanges it.
    pub fn change(&self, field: &str, value: serde_json::Value) {
        let path = self.folder.path().join("config.json");
        let text = std::fs::read(&path).unwrap();
        let mut config: serde_json::Value = serde_json::from_slice(&text).unwrap();
        config[field] = value;
        let next = self.folder.path().join("next");
        std::fs::write(&next, config.to_string()).unwrap();
        std::fs::rename(next, path).unwrap();
    }

    /// Of this cluster.
    pub fn of(cluster: &Cluster, archive: &Archive, interval: u64, keep: u64) -> Self {
        Self::new(archive, &[cluster.members[0].place.client_url.clone()], interval, keep)
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self, archive: &Archive, more: &[&str]) -> Running {
        let mut command = archive.command(&["serve"]);
        command
            .arg("--config")
            .arg(self.folder.path().join("config.json"))
            .arg("--tls-dir")
            .arg(self.folder.path())
            .args(["--listen", &self.api.to_string(), "--health-listen", &self.health.to_string()])
            .args(more)
            .env("ETCD_BACKUP_PATIENCE", "3s")
            .env_remove("ETCD_BACKUP_STORE")
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let running = Running(command.spawn().unwrap());
        until("the sidecar is ready", async || {
            client::ask_plainly(self.health, "/readyz").await.ok().filter(|it| it.status == 200)
        })
        .await;
        running
    }

    pub async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        client::ask(self.api, &self.config, method, path, body).await.unwrap()
    }

    /// As somebody else would.
    pub async fn ask_as(&self, config: &Arc<ClientConfig>) -> anyhow::Result<Answer> {
        client::ask(self.api, config, Method::GET, "/v1/status", "").await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    pub async fn metrics(&self) -> String {
        client::ask_plainly(self.health, "/metrics").await.unwrap().text().to_owned()
    }

    pub async fn status(&self) -> SidecarStatus {
        self.get("/v1/status").await.json()
    }

    /// The list, newest first.
    pub async fn backups(&self) -> Vec<StoredBackup> {
        self.get("/v1/backups").await.json::<BackupList>().backups
    }

    /// Waits by long polls until the status is as wanted.
    pub async fn wait(
        &self,
        what: &str,
        is_meant: impl Fn(&SidecarStatus) -> bool,
    ) -> SidecarStatus {
        let wait = async {
            let mut status = self.status().await;
            while !is_meant(&status) {
                let path = format!("/v1/status?after={}&wait=30s", status.sequence);
                status = self.get(&path).await.json();
            }
            status
        };
        let Ok(status) = tokio::time::timeout(PATIENCE, wait).await else {
            panic!("{what}: not seen; {:?}", self.status().await)
        };
        status
    }
}

impl Running {
    pub fn signal(&self, name: &str) {
        send_signal(self.0.id().unwrap(), name);
    }

    /// Waits for its end; gives its exit code.
    pub async fn end(mut self) -> Option<i32> {
        let end = tokio::time::timeout(PATIENCE, self.0.wait()).await;
        end.expect("the sidecar ends").unwrap().code()
    }

    /// SIGTERM, as Kubernetes stops it.
    pub async fn stop(self) {
        self.signal("TERM");
        assert_eq!(self.end().await, Some(0));
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }
}
