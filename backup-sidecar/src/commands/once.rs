//! `once`: one backup now.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use archive::{abandoned, manifest::Manifest};
use tokio::signal::unix::{SignalKind, signal};

use super::Opened;
use crate::{
    args::OnceArgs,
    backup::{Backup, now},
    config::{Members, Owner, client_url},
    listing, output, progress,
    serve::{Job, Progress, Taken, Taker},
    told::Told,
};

pub(super) async fn run(args: OnceArgs) -> anyhow::Result<()> {
    let owner = Owner::new(&args.namespace, &args.cluster, args.uid.as_deref())?;
    let members = Members::try_from(args.etcd)?;
    let is_tls = members.tls.is_some();
    let member = args.member.map(|url| client_url("--member", &url, is_tls)).transpose()?;
    let opened = Opened::new(&args.store).await?;
    let backup = Backup { members, owner, told: Told::Nothing, lock: opened.location.lock() };
    let job = Job { reason: args.reason.into(), request: None, member, cluster: None };
    let counts = Arc::new(Progress::default());
    let taking = backup.take(opened.store.clone(), job, counts.clone());
    let look = || (counts.received(), counts.expected());
    let taken = tokio::select! {
        taken = progress::show("backup", args.store.json, look, taking) => taken,
        () = interrupted() => bail!("interrupted; what was sent so far is in no list and goes after a day"),
    };
    match taken.map_err(|problem| anyhow!(problem))? {
        Taken::Unchanged if args.store.json => {
            output::json(&serde_json::json!({"unchanged": true}))
        }
        Taken::Unchanged => output::line("unchanged since the last backup; nothing was written"),
        Taken::Stored(manifest, _) => {
            say(&opened, &manifest, args.store.json)?;
            tidy(&opened, &manifest).await;
            Ok(())
        }
    }
}

/// Removes what died on its way over a day ago: nobody else does where no sidecar serves.
async fn tidy(opened: &Opened, manifest: &Manifest) {
    let work = async {
        let folder = manifest.archive()?.folder()?;
        let found = abandoned::find(&*opened.store, &folder, now()).await?;
        abandoned::remove(&*opened.store, &found).await
    };
    if let Err(error) = work.await {
        tracing::warn!(%error, "what died on its way earlier cannot be removed");
    }
}

fn say(opened: &Opened, manifest: &Manifest, is_json: bool) -> anyhow::Result<()> {
    if is_json {
        return output::json(manifest);
    }
    let data = manifest.archive()?.data(manifest.id)?;
    eprintln!(
        "stored revision {} of {}: {} as {} at {}",
        manifest.revision,
        manifest.source.member,
        output::bytes(manifest.raw.size),
        output::bytes(manifest.stored.size),
        listing::url_of(&opened.location.to_string(), &data),
    );
    output::line(manifest.id.to_string())
}

/// Ends when the process is told to.
pub(super) async fn interrupted() {
    let ends = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = ends else { return std::future::pending().await };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
