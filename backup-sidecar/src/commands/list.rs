//! `list`: the backups that are there.

use archive::catalogue::{self, Committed, Listed};
use futures::StreamExt;

use super::Opened;
use crate::{args::ListArgs, listing, output};

pub(super) async fn run(args: ListArgs) -> anyhow::Result<()> {
    let opened = Opened::new(&args.store).await?;
    let found = opened.list(&args.scope).await?;
    let read: Vec<_> = catalogue::read_all(&opened.store, found).collect().await;
    // One that was deleted meanwhile is not there.
    let there: Vec<_> = read.into_iter().filter(|(_, read)| !is_gone(read)).collect();
    if args.store.json {
        let place = opened.location.to_string();
        let describe = |(one, read): &(Listed, _)| listing::describe(&place, one, read);
        let all: Vec<_> = there.iter().map(describe).collect();
        return output::json(&all);
    }
    if there.is_empty() {
        eprintln!("no backups of that in {}", opened.store.name());
        return Ok(());
    }
    let rows: Vec<_> = there.iter().map(|(one, read)| row(one, read)).collect();
    output::table(
        ["ID", "CLUSTER", "STARTED", "REVISION", "DATABASE", "STORED", "ETCD", "REASON", "STATE"],
        &rows,
    )
}

fn is_gone(read: &archive::Result<Committed>) -> bool {
    matches!(read, Err(archive::Error::NotFound(_)))
}

fn row(listed: &Listed, read: &archive::Result<Committed>) -> [String; 9] {
    let manifest = read.as_ref().ok().map(|committed| &committed.manifest);
    let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let stored = manifest.map(|manifest| manifest.stored.size).or(listed.stored_size);
    [
        listed.id.to_string(),
        listed.archive.to_string(),
        output::time(listed.id.start()),
        listed.id.revision().to_string(),
        known(manifest.map(|manifest| output::bytes(manifest.raw.size))),
        known(stored.map(output::bytes)),
        known(manifest.map(|manifest| manifest.source.etcd_version.clone())),
        known(manifest.map(|manifest| listing::word(manifest.reason).to_owned())),
        state(listed, read),
    ]
}

fn state(listed: &Listed, read: &archive::Result<Committed>) -> String {
    let said = read.as_ref().ok().map(|committed| committed.manifest.stored.size);
    match (read, listed.flaw(said), listed.verified) {
        (Err(error), ..) => format!("unreadable: {error}"),
        (_, Some(flaw), _) => format!("damaged: {flaw}"),
        (_, _, Some(time)) => format!("verified {}", output::time(time)),
        _ => "stored".to_owned(),
    }
}
