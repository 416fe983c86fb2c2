//! The memory of a sidecar between two backups.

use std::path::Path;
use std::time::Duration;

use ::tests::command::command;
use ::tests::scenario::{Look, until};
use anyhow::{Context, Result};
use api::sidecar::{ClusterIdentity, SidecarConfig};
use api::v1beta1::BackupPolicy;
use rcgen::{CertificateParams, KeyPair};
use tokio::process::Command;

use super::watch::resident;

const LIMIT: Duration = Duration::from_mins(3);
/// Until whatever a backup needed is given back.
const REST: Duration = Duration::from_secs(5);

/// MiB that are resident.
pub(super) struct Memory {
    /// Everything.
    pub(super) all: f64,
    /// What it wrote to. The rest are pages of the program, which all sidecars of a node share and the
    /// system takes back when it needs them.
    pub(super) own: f64,
}

/// What a sidecar holds after its first backup, with the next an hour away.
pub(super) async fn memory(
    mut serve: Command,
    folder: &Path,
    etcd: &str,
    store: String,
) -> Result<Memory> {
    let config = SidecarConfig {
        cluster: ClusterIdentity {
            namespace: "bench".to_owned(),
            name: "idle".to_owned(),
            uid: "idle".to_owned(),
        },
        policy: BackupPolicy { backup_interval_in_second: Some(3600), ..BackupPolicy::default() },
        store,
        endpoints: vec![etcd.to_owned()],
        client_name: None,
        etcd_cluster_id: None,
        spec: serde_json::Value::Null,
    };
    let file = folder.join("config.json");
    std::fs::write(&file, serde_json::to_vec(&config)?).context("writing the configuration")?;
    certificates(folder)?;
    let health = free_address()?;
    serve.arg("serve").arg("--config").arg(&file).arg("--tls-dir").arg(folder);
    serve.args(["--listen", "127.0.0.1:0", "--health-listen", &health, "--log", "warn"]);
    let child = serve.spawn().context("starting the sidecar")?;
    let id = child.id().context("the sidecar has no process id")?;
    until("the first backup", LIMIT, async || {
        let metrics = metrics(&health).await.unwrap_or_default();
        let stored = metrics.lines().any(|line| {
            line.strip_prefix("etcd_backup_backups ").is_some_and(|count| count != "0")
        });
        Ok(if stored { Look::Is(()) } else { Look::NotYet("it is under way".to_owned()) })
    })
    .await?;
    tokio::time::sleep(REST).await;
    let read = |line| resident(id, line).context("the sidecar has died");
    Ok(Memory { all: read("VmRSS:")?, own: read("RssAnon:")? })
}

async fn metrics(address: &str) -> Result<String> {
    let mut curl = command("curl");
    curl.args(["--silent", "--max-time", "5", &format!("http://{address}/metrics")]);
    Ok(::tests::command::run(&mut curl, Duration::from_secs(10)).await?)
}

/// A certificate that nobody will ask for, signed by itself.
fn certificates(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    for (name, text) in [
        ("ca.crt", certificate.pem()),
        ("tls.crt", certificate.pem()),
        ("tls.key", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn free_address() -> Result<String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?;
    Ok(listener.local_addr()?.to_string())
}
