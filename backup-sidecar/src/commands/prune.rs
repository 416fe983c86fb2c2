//! `prune`: deletes what no rule keeps.

use anyhow::bail;
use archive::{
    abandoned,
    catalogue::{self, Listed},
    layout::ArchivePath,
    prune::{self, Pruned},
    retention::{self, Candidate, Fate, Policy, Verdict},
};

use futures::StreamExt;

use super::Opened;
use crate::{
    args::{PruneArgs, ScopeArgs},
    backup::now,
    config::Usage,
    output,
};

pub(super) async fn run(args: PruneArgs) -> anyhow::Result<()> {
    let opened = Opened::new(&args.store).await?;
    let found = opened.list(&args.scope).await?;
    let Some(archive) = the_only_archive(&opened, &args.scope).await? else {
        eprintln!("no backups of that in {}", opened.store.name());
        return Ok(());
    };
    let now = now();
    let read = catalogue::read_all(&opened.store, found.clone());
    let candidate = |(listed, committed)| Candidate::of(&listed, &committed);
    let candidates: Vec<_> = read.map(candidate).collect().await;
    let pinned = retention::pinned(&found, now);
    let verdicts = retention::judge(&candidates, &Policy::from(args.keep), &pinned, now);
    let left = abandoned::find(&*opened.store, &archive.folder()?, now).await?;
    say(&verdicts, left.len(), args.store.json)?;
    if args.dry_run {
        return Ok(());
    }
    let goes = |listed: &&Listed| {
        verdicts.iter().any(|verdict| verdict.id == listed.id && verdict.fate == Fate::Delete)
    };
    let going: Vec<_> = found.iter().filter(goes).collect();
    let pruned = prune::delete_all(&*opened.store, &going).await;
    let removed = abandoned::remove(&*opened.store, &left).await?;
    conclude(&pruned, removed)
}

/// Retention works within one archive: others' revisions and ages have nothing to do with it. One without
/// a backup may have something that died on its way.
async fn the_only_archive(
    opened: &Opened,
    scope: &ScopeArgs,
) -> anyhow::Result<Option<ArchivePath>> {
    let mut archives = catalogue::archives(&*opened.store, None).await?;
    archives.retain(|archive| is_meant(scope, archive));
    if archives.len() < 2 {
        return Ok(archives.into_iter().next());
    }
    let names: Vec<_> = archives.iter().map(ToString::to_string).collect();
    Err(Usage(format!(
        "backups of several clusters are there ({}); choose one by --namespace, --cluster and --uid",
        names.join(", ")
    ))
    .into())
}

fn is_meant(ScopeArgs { namespace, cluster, uid }: &ScopeArgs, archive: &ArchivePath) -> bool {
    let is = |wanted: &Option<String>, it: &str| wanted.as_deref().is_none_or(|is| is == it);
    is(namespace, archive.namespace()) && is(cluster, archive.cluster()) && is(uid, archive.uid())
}

fn say(verdicts: &[Verdict], leftovers: usize, is_json: bool) -> anyhow::Result<()> {
    let word = |verdict: &Verdict| match verdict.fate {
        Fate::Keep => "keep",
        Fate::Delete => "delete",
        Fate::Later => "later",
    };
    if is_json {
        let all = verdicts
            .iter()
            .map(|one| serde_json::json!({"id": one.id, "fate": word(one), "why": one.why}));
        let all: Vec<_> = all.collect();
        return output::json(&serde_json::json!({"backups": all, "abandonedObjects": leftovers}));
    }
    let rows: Vec<_> = verdicts
        .iter()
        .map(|one| [one.id.to_string(), word(one).to_owned(), one.why.clone()])
        .collect();
    output::table(["ID", "FATE", "WHY"], &rows)?;
    if leftovers > 0 {
        output::line(format!(
            "and {leftovers} objects of backups that died on their way over a day ago"
        ))?;
    }
    Ok(())
}

fn conclude(pruned: &Pruned, removed: usize) -> anyhow::Result<()> {
    let Pruned { deleted, later, failed } = pruned;
    eprintln!(
        "deleted {} backups and {removed} leftovers; {} are locked by the store",
        deleted.len(),
        later.len()
    );
    match failed.first() {
        Some((id, error)) => bail!("{} could not be deleted, such as {id}: {error}", failed.len()),
        None => Ok(()),
    }
}
