//! `verify`: reads backups back, checks every byte and records what was found.

use anyhow::{Context, bail};
use archive::catalogue::Listed;

use super::Opened;
use crate::{
    args::VerifyArgs,
    backup::now,
    output, progress,
    verification::{self, Finding},
};

pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<()> {
    let opened = Opened::new(&args.store).await?;
    let backups = match &args.id {
        Some(id) => vec![opened.find(id, &args.scope).await?],
        None => opened.list(&args.scope).await?,
    };
    if backups.is_empty() {
        bail!("no backups of that in {}, so nothing was verified", opened.store.name());
    }
    let mut findings = Vec::new();
    for listed in &backups {
        let finding = verify(&opened, listed, &args).await?;
        if !args.store.json {
            output::line(said(listed, &finding))?;
        }
        findings.push((listed, finding));
    }
    if args.store.json {
        let all: Vec<_> = findings.iter().map(|(listed, finding)| json(listed, finding)).collect();
        output::json(&all)?;
    }
    let bad = findings.iter().filter(|(_, finding)| !finding.is_no_reason_to_fail()).count();
    if bad > 0 {
        bail!(
            "{bad} of {} backups could not be found good; keep the others and look at these",
            findings.len()
        );
    }
    Ok(())
}

async fn verify(opened: &Opened, listed: &Listed, args: &VerifyArgs) -> anyhow::Result<Finding> {
    // It has no name, so nothing is left of it whatever happens.
    let spool = args.hash.then(tempfile::tempfile).transpose();
    let spool = spool.context("no temporary file can be made; set TMPDIR to a folder of yours")?;
    let counts = verification::Counts::default();
    let work = verification::verify(&opened.store, listed, &counts, spool, now);
    let id = listed.id.to_string();
    Ok(progress::show(&id, args.store.json, || counts.get(), work).await)
}

fn said(listed: &Listed, finding: &Finding) -> String {
    match finding {
        Finding::Good { hash: None } => format!("{}  good", listed.id),
        Finding::Good { hash: Some(hash) } => {
            format!("{}  good, {}", listed.id, output::hash(*hash))
        }
        Finding::Removed => format!("{}  was deleted meanwhile", listed.id),
        Finding::Damaged(problem) => format!("{}  DAMAGED: {problem}", listed.id),
        Finding::Unknown(error) => format!("{}  could not be read: {error}", listed.id),
    }
}

fn json(listed: &Listed, finding: &Finding) -> serde_json::Value {
    let (word, problem) = match finding {
        Finding::Good { .. } => ("good", None),
        Finding::Removed => ("deleted", None),
        Finding::Damaged(problem) => ("damaged", Some(problem.clone())),
        Finding::Unknown(error) => ("unknown", Some(error.to_string())),
    };
    let archive = listed.archive.to_string();
    let hash = if let Finding::Good { hash } = finding { *hash } else { None };
    serde_json::json!({
        "id": listed.id, "archive": archive, "found": word, "problem": problem, "hash": hash
    })
}
