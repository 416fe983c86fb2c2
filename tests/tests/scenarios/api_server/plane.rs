//! One etcd, the API servers that keep their objects in it, and its backup.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etcd::{Endpoint, MemberClient, Timeouts};
use kube::api::{GetParams, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use tempfile::TempDir;
use testbed::member::{Place, Process};
use testbed::programs::Version;
use tests::command::{command, run};
use tests::localkube::{cache, images};
use tests::scenario::{Look, PATIENCE, until};
use tokio::process::Child;

/// The etcd that Kubernetes 1.36 is made with.
const V: Version = Version::V3_6;
/// Longest time for a backup or a restore of a few megabytes.
const LIMIT: Duration = Duration::from_mins(1);
/// The bearer of this is an administrator.
const TOKEN: &str = "quince";

/// What becomes of etcd's revisions in a restore.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revisions {
    /// They go on from the backup's last.
    Kept,
    /// They go on from far above all that anybody saw: the default.
    Raised,
}

/// The etcd of a control plane, and where its backups lie.
pub(crate) struct Plane {
    place: Place,
    etcd: Option<Process>,
    began: Instant,
    // Dropped last: the process above writes into it.
    folder: TempDir,
}

impl Plane {
    /// Starts an empty etcd.
    pub(crate) async fn start() -> Result<Self> {
        let (place, folder) = (Place::new("plane-0"), tempfile::tempdir()?);
        std::fs::create_dir(folder.path().join("backups"))?;
        let mut started = Self { place, etcd: None, began: Instant::now(), folder };
        started.serve().await?;
        Ok(started)
    }

    /// A line for whoever reads the output of a failed scenario.
    pub(crate) fn say(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// Starts one more API server on it.
    pub(crate) async fn api_server(&self, name: &'static str) -> Result<ApiServer> {
        ApiServer::start(name, self.folder.path(), &self.place.client_url).await
    }

    /// etcd's own revision.
    pub(crate) async fn revision(&self) -> Result<i64> {
        let endpoint = Endpoint { url: self.place.client_url.clone(), server_name: None };
        let client = Box::pin(MemberClient::connect(&endpoint, &Timeouts::default())).await?;
        Ok(client.status().await?.revision)
    }

    /// Takes a backup and gives its ID.
    pub(crate) async fn backup(&self) -> Result<String> {
        let mut once = command(ours("etcd-backup-sidecar")?);
        once.args(["once", "--cluster=plane", "--json"]);
        once.args(["--endpoints", &self.place.client_url, "--store", &self.store()]);
        let made: serde_json::Value = serde_json::from_str(&run(&mut once, LIMIT).await?)?;
        let id = made.get("id").and_then(serde_json::Value::as_str);
        id.map(ToOwned::to_owned).with_context(|| format!("no ID in {made}"))
    }

    /// Kills etcd and takes its data away.
    pub(crate) fn lose(&mut self) -> Result<()> {
        self.etcd = None;
        Ok(std::fs::remove_dir_all(self.data_dir())?)
    }

    /// Restores that backup and starts etcd on it, under the address that it had.
    pub(crate) async fn restore(&mut self, backup: &str, revisions: Revisions) -> Result<()> {
        let mut restore = command(ours("etcd-restore-init")?);
        restore.args(["run", "--cluster=plane", "--backup", backup, "--from", &self.store()]);
        restore.arg("--data-dir").arg(self.data_dir());
        restore.arg("--etcdutl").arg(V.program("etcdutl"));
        restore.arg(format!("--name={}", self.place.name));
        restore.arg(format!("--initial-advertise-peer-urls={}", self.place.peer_url));
        if revisions == Revisions::Kept {
            restore.arg("--keep-revisions");
        }
        run(&mut restore, LIMIT).await?;
        self.serve().await
    }

    fn store(&self) -> String {
        format!("file://{}", self.folder.path().join("backups").display())
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join(&self.place.name)
    }

    async fn serve(&mut self) -> Result<()> {
        let initial = format!("{}={}", self.place.name, self.place.peer_url);
        // Its data goes as a whole, and what it was is in the backup: nothing depends on the disk.
        let flags = ["--initial-cluster", &initial, "--unsafe-no-fsync"];
        self.etcd = Some(Process::start(V, &self.place, self.folder.path(), &flags));
        until("etcd serves", PATIENCE, async || Ok(Look::Is(self.revision().await?))).await?;
        Ok(())
    }
}

/// One of the project's programs, as its image has it.
fn ours(name: &str) -> Result<PathBuf> {
    let program = images::project_folder().join("files").join(name);
    ensure!(program.is_file(), "{} is missing: run `cargo xtask images`", program.display());
    Ok(program)
}

/// A kube-apiserver and a client of it.
pub(crate) struct ApiServer {
    /// Its name in failures.
    pub(crate) name: &'static str,
    /// A client that asks this one only.
    pub(crate) client: Client,
    folder: PathBuf,
    args: Vec<String>,
    child: Child,
}

impl ApiServer {
    async fn start(name: &'static str, folder: &Path, etcd: &str) -> Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        let address = free_address()?;
        let args = args(&folder, etcd, address)?;
        let child = spawn(&folder, &args)?;
        let server = Self { name, client: client(address).await?, folder, args, child };
        server.ready().await?;
        Ok(server)
    }

    /// Kills it.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Starts it again under the address that it had.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.folder, &self.args)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        until(&format!("the API server {} is ready", self.name), PATIENCE, async || {
            let asking = Request::new("").get("readyz", &GetParams::default())?;
            let said = self.client.request_text(asking).await?;
            Ok(Look::claim(said == "ok", || said.clone()))
        })
        .await
    }
}

/// A loopback port that is free, as far as can be known.
fn free_address() -> Result<std::net::SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn args(folder: &Path, etcd: &str, address: std::net::SocketAddr) -> Result<Vec<String>> {
    let file = |name: &str| folder.join(name).display().to_string();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    std::fs::write(file("sa.key"), key.serialize_pem())?;
    std::fs::write(file("sa.pub"), key.public_key_pem())?;
    std::fs::write(file("tokens.csv"), format!("{TOKEN},admin,1,system:masters\n"))?;
    Ok(vec![
        format!("--etcd-servers={etcd}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        // Of documentation only: nobody is to reach it by a service.
        "--advertise-address=192.0.2.1".into(),
        "--endpoint-reconciler-type=none".into(),
        "--service-cluster-ip-range=192.0.2.128/25".into(),
        "--authorization-mode=AlwaysAllow".into(),
        "--anonymous-auth=false".into(),
        // Pods are written down here and never run.
        "--disable-admission-plugins=ServiceAccount".into(),
        "--enable-priority-and-fairness=false".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        format!("--cert-dir={}", file("certificates")),
        "--profiling=false".into(),
    ])
}

fn spawn(folder: &Path, args: &[String]) -> Result<Child> {
    let program = cache::folder()?.join("kubernetes").join("kube-apiserver");
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    let mut server = command(&program);
    server.args(args).stdout(Stdio::null()).stderr(log);
    server.spawn().with_context(|| format!("starting {}", program.display()))
}

/// It signs its own certificate, on loopback.
async fn client(address: std::net::SocketAddr) -> Result<Client> {
    let config: Kubeconfig = serde_json::from_value(json!({
        "clusters": [{"name": "plane", "cluster": {
            "server": format!("https://{address}"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "admin"}}],
        "current-context": "plane",
    }))?;
    let options = KubeConfigOptions::default();
    Ok(Client::try_from(Config::from_custom_kubeconfig(config, &options).await?)?)
}
