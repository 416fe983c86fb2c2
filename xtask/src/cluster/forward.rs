//! A local port that leads to some ready member of a cluster, through the API server.
//!
//! ```text
//! client ── 127.0.0.1:PORT ── API server ── kubelet ── member
//! ```
//!
//! Works wherever kubectl works. A connection ends with its member; the next one finds another.

use anyhow::{Context, Result};
use api::ports;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Namespace, is_ready, within};

/// Open until dropped.
pub(crate) struct Forward {
    url: String,
    task: JoinHandle<()>,
}

impl Forward {
    /// Opens the port.
    pub(crate) async fn open(namespace: &Namespace, cluster: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening a local port")?;
        let url = format!("http://{}", listener.local_addr().context("opening a local port")?);
        let task = tokio::spawn(serve(listener, namespace.clone(), cluster.to_owned()));
        Ok(Self { url, task })
    }

    /// Where a client connects to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection that fails is closed; whoever opened it tries again.
async fn serve(listener: TcpListener, namespace: Namespace, cluster: String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let (namespace, cluster) = (namespace.clone(), cluster.clone());
                connections.spawn(async move { connect(client, &namespace, &cluster).await.ok() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(mut client: TcpStream, namespace: &Namespace, cluster: &str) -> Result<()> {
    let pods = namespace.member_pods(cluster).await?;
    let member = pods.iter().find(|pod| is_ready(pod)).context("no member is ready")?;
    let pods: Api<Pod> = namespace.all();
    let name = member.name_any();
    let ports = [ports::CLIENT];
    let mut forwarded = within("forwarding a port", pods.portforward(&name, &ports)).await?;
    let mut member = forwarded.take_stream(ports::CLIENT).context("no stream was opened")?;
    copy_bidirectional(&mut client, &mut member).await.context("forwarding")?;
    Ok(())
}
