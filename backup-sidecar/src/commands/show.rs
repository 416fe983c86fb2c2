//! `show`: everything known about one backup.

use archive::{
    catalogue::{self, Listed},
    manifest::Manifest,
    store::Span,
    verification::Verification,
};

use super::Opened;
use crate::{args::ShowArgs, listing, output};

/// A finding has some hundred bytes.
const LARGEST_FINDING: u64 = 1 << 16;

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<()> {
    let opened = Opened::new(&args.store).await?;
    let listed = opened.find(&args.id, &args.scope).await?;
    let committed = catalogue::read(&*opened.store, &listed.archive, listed.id).await?;
    let manifest = &committed.manifest;
    let place = opened.location.to_string();
    let data = listed.archive.object(listed.id, &manifest.stored.object)?;
    let data = listing::url_of(&place, &data);
    let hash = hash(&opened, &listed).await;
    if args.store.json {
        let found = listing::describe(&place, &listed, &Ok(committed.clone()));
        return output::json(&serde_json::json!({
            "backup": found, "manifest": manifest, "hash": hash
        }));
    }
    let found = match (listed.flaw(Some(manifest.stored.size)), listed.verified) {
        (Some(flaw), _) => format!("DAMAGED: {flaw}"),
        (_, Some(time)) => format!("found good {}", output::time(time)),
        _ => "not yet".to_owned(),
    };
    let facts = facts(manifest).into_iter().chain([
        ("manifest digest", committed.digest.to_string()),
        ("read back", found),
        ("etcdutl's hash", hash.map_or_else(unhashed, |hash| format!("{hash:x}"))),
        ("data", data),
    ]);
    for (what, value) in facts {
        output::line(format!("{what:<16} {value}"))?;
    }
    output::line("")?;
    members(manifest)
}

fn unhashed() -> String {
    "not known; `verify --hash` computes it".to_owned()
}

/// The hash that `etcdutl snapshot status` prints, if somebody has computed it when it was last read back.
/// Whatever cannot be read of that is not known.
async fn hash(opened: &Opened, listed: &Listed) -> Option<u32> {
    let key = listed.archive.verification(listed.id, listed.verified?, true).ok()?;
    let reading = opened.store.get(&key, Span::ALL).await.ok()?;
    let bytes = reading.bytes(LARGEST_FINDING).await.ok()?;
    Verification::from_bytes(key.as_str(), &bytes).ok()?.hash
}

fn facts(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let Manifest { cluster, source, raw, stored, counts, .. } = manifest;
    let version =
        |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
    let keys = counts.live_keys.map_or_else(|| "not counted".to_owned(), |keys| keys.to_string());
    let mut facts = vec![
        ("id", manifest.id.to_string()),
        ("cluster", format!("{}/{} (UID {})", cluster.namespace, cluster.name, cluster.uid)),
        ("etcd cluster", String::from(cluster.etcd_cluster_id)),
        ("reason", listing::word(manifest.reason).to_owned()),
        ("started", output::time(manifest.started)),
        ("finished", output::time(manifest.finished)),
        ("revisions", format!("{} to {}", manifest.compact_revision.max(1), manifest.revision)),
        ("raft index", manifest.raft_applied_index.to_string()),
        ("live keys", keys),
        ("taken from", format!("{} ({})", source.member, String::from(source.member_id))),
        ("etcd", source.etcd_version.clone()),
        ("cluster version", version(&source.cluster_version)),
        ("storage version", version(&source.storage_version)),
        ("authentication", if manifest.auth_enabled { "on" } else { "off" }.to_owned()),
        ("database", format!("{} bytes, SHA-256 {}", raw.size, raw.sha256)),
        ("stored", format!("{} bytes, SHA-256 {}", stored.size, stored.sha256)),
        ("encodings", stored.encodings.join(", ")),
    ];
    facts.extend(manifest.locked_until.map(|time| ("locked until", output::time(time))));
    facts.extend(manifest.request.clone().map(|request| ("request", request)));
    facts
}

fn members(manifest: &Manifest) -> anyhow::Result<()> {
    let row = |member: &archive::manifest::Member| {
        let role = if member.is_learner { "learner" } else { "voter" };
        let name = if member.name.is_empty() { "(never started)" } else { &member.name };
        [name.to_owned(), String::from(member.id), role.to_owned(), member.peer_urls.join(",")]
    };
    let rows: Vec<_> = manifest.members.iter().map(row).collect();
    output::table(["MEMBER", "ID", "ROLE", "PEER URLS"], &rows)
}
