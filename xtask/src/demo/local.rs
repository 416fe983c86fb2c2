//! The demo on the local Kubernetes: starting it, telling the story inside, taking it down again.

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use ::tests::localkube::{
    self, LocalKube,
    layout::{MOST_NODES, Paths},
};
use ::tests::progress::Progress;
use anyhow::{Context, Result, bail};
use kube::Client;
use tokio::process::Command;

use super::ledger::Ledger;
use super::story::{Backups, Story};

/// The whole story takes about three minutes.
const LIMIT: Duration = Duration::from_mins(20);

const LOOK: &str = "
It is all still up. To look at it:
  cargo xtask kube exec -- kubectl -n etcd-demo get etcd,backups,pods -o wide
  cargo xtask kube exec -- kubectl -n etcd-demo describe etcd demo
  cargo xtask kube exec -- etcdctl --endpoints http://demo-client.etcd-demo.svc:2379 get --prefix written/ --limit 3
  cargo xtask kube exec -- kubectl -n etcd-demo get events --sort-by=.lastTimestamp
  cargo xtask kube exec -- kubectl -n etcd-operator logs -l app.kubernetes.io/name=etcd-operator
To remove it:
  cargo xtask kube down";

/// Shows the demo and, unless asked to keep it, leaves the machine as it was.
pub(super) async fn show(keep: bool, backups: &Backups, ledger: &mut Ledger) -> Result<()> {
    let progress = Progress::new();
    let was_up = LocalKube::attach().ok();
    let nodes = was_up.as_ref().map_or(usize::from(MOST_NODES), |kube| kube.nodes().len());
    let nodes = u8::try_from(nodes).unwrap_or(MOST_NODES);
    let told = tokio::select! {
        told = tell(nodes, keep, backups, ledger, &progress) => told,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for Ctrl-C").and_then(|()| bail!("ended by Ctrl-C")),
    };
    if keep {
        if told.is_ok() {
            progress.say(LOOK);
        }
        return told;
    }
    let removed = if was_up.is_none() {
        localkube::down(&progress).await.map_err(Into::into)
    } else {
        Ok(())
    };
    told.and(removed)
}

async fn tell(
    nodes: u8,
    keep: bool,
    backups: &Backups,
    ledger: &mut Ledger,
    progress: &Progress,
) -> Result<()> {
    let images = async {
        crate::images::run().await?;
        Ok("three static programs, an image each".to_owned())
    };
    Box::pin(ledger.step(progress, "build the images", Duration::from_secs(5), images)).await?;
    if matches!(backups, Backups::Local) {
        crate::test::tools::seaweedfs(progress).await?;
    }
    let up = async {
        localkube::up(nodes, progress).await?;
        Ok(format!("{nodes} nodes are Ready"))
    };
    let starting = "start the local Kubernetes";
    Box::pin(ledger.step(progress, starting, Duration::from_secs(20), up)).await?;
    tell_inside(keep, backups, ledger).await
}

/// Runs this program again in the control namespace. Its steps come back as one line of JSON.
async fn tell_inside(keep: bool, backups: &Backups, ledger: &mut Ledger) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut args = vec!["demo", "--inside"];
    args.extend(keep.then_some("--keep"));
    match backups {
        Backups::Local => {}
        Backups::Pod { image } => args.extend(["--s3-image", image]),
        Backups::LeftOut => args.push("--no-backups"),
    }
    let mut inside = Command::from(LocalKube::attach()?.inside(program, args));
    // What an S3 server that is kept stores goes with the Kubernetes.
    inside.env("TMPDIR", Paths::machine().run());
    inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let child = inside.spawn().context("`ip` could not be started; is iproute2 installed?")?;
    let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
    let ended = ended.with_context(|| format!("the demo did not end within {LIMIT:?}"))??;
    if let Ok(rows) = serde_json::from_slice::<Ledger>(&ended.stdout) {
        ledger.append(rows);
    }
    if ended.status.success() {
        return Ok(());
    }
    bail!("the demo inside the local Kubernetes failed; the sentence above says why")
}

/// The part inside: KUBECONFIG is set, kubectl is on PATH.
pub(super) async fn inside(keep: bool, backups: Backups) -> Result<ExitCode> {
    let client = Client::try_default().await.context("connecting to the local Kubernetes")?;
    let mut ledger = Ledger::default();
    let outcome = Box::pin(Story::locally(&client, backups).tell(keep, &mut ledger)).await;
    println!("{}", serde_json::to_string(&ledger)?);
    outcome.map(|()| ExitCode::SUCCESS)
}
