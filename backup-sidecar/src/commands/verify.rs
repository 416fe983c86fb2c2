//! `verify`: reads backups back, checks every byte and records what was found.

use anyhow::bail;
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
        let finding = verify(&opened, listed, args.store.json).await;
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

async fn verify(opened: &Opened, listed: &Listed, is_quiet: bool) -> Finding {
    let counts = verification::Counts::default();
    let work = verification::verify(&opened.store, listed, &counts, now);
    progress::show(&listed.id.to_string(), is_quiet, || counts.get(), work).await
}

fn said(listed: &Listed, finding: &Finding) -> String {
    match finding {
        Finding::Good => format!("{}  good", listed.id),
        Finding::Removed => format!("{}  was deleted meanwhile", listed.id),
        Finding::Damaged(problem) => format!("{}  DAMAGED: {problem}", listed.id),
        Finding::Unknown(error) => format!("{}  could not be read: {error}", listed.id),
    }
}

fn json(listed: &Listed, finding: &Finding) -> serde_json::Value {
    let (word, problem) = match finding {
        Finding::Good => ("good", None),
        Finding::Removed => ("deleted", None),
        Finding::Damaged(problem) => ("damaged", Some(problem.clone())),
        Finding::Unknown(error) => ("unknown", Some(error.to_string())),
    };
    let archive = listed.archive.to_string();
    serde_json::json!({"id": listed.id, "archive": archive, "found": word, "problem": problem})
}
