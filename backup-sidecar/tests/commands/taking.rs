//! Backups of etcd at work are whole, and are what they say.

use archive::{digest::Digest, manifest::Manifest};
use serde_json::Value;
use testbed::{cluster::Cluster, programs::Version, s3};

use crate::harness::{Archive, fill, output};

testbed::on_each_version!(
    a_backup_under_constant_writes_opens_with_etcdutl_and_is_what_its_manifest_says,
    a_backup_is_left_out_only_when_nothing_has_changed,
);

async fn a_backup_under_constant_writes_opens_with_etcdutl_and_is_what_its_manifest_says(
    version: Version,
) {
    let cluster = Cluster::start(version, 1).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, 3).await;
    let client = cluster.client(0).await;
    client.put(b"/plum/0", b"again").await.unwrap();
    client.delete(b"/plum/1").await.unwrap();
    let writer = tokio::spawn(async move {
        for number in 0_u64.. {
            let key = format!("/fig/{}", number % 500);
            client.put(key.as_bytes(), &number.to_be_bytes()).await.unwrap();
        }
    });

    let manifest = archive.take(&cluster, &[]).await;
    writer.abort();

    assert_opens(version, &archive, &manifest).await;
    assert!(manifest.revision > 5, "{}", manifest.revision);
    let shown = archive.json(&["show", &manifest.id.to_string()]).await;
    assert_eq!(serde_json::from_value::<Manifest>(shown["manifest"].clone()).unwrap(), manifest);
    assert_eq!(manifest.members.len(), 1);
    assert_eq!(manifest.source.member, "quince-0");
}

/// As a person restores it: with gunzip and etcdutl alone.
async fn assert_opens(version: Version, archive: &Archive, manifest: &Manifest) {
    let raw = output("gunzip", &["-c", archive.file("data.db.gz").to_str().unwrap()]);
    assert_eq!(u64::try_from(raw.len()).unwrap(), manifest.raw.size);
    assert_eq!(Digest::of(&raw), manifest.raw.sha256);
    let file = archive.scratch("snapshot.db");
    std::fs::write(&file, raw).unwrap();
    let file = file.to_str().unwrap();
    let etcdutl = version.program("etcdutl");
    let status = output(&etcdutl, &["snapshot", "status", file, "-w", "json"]);
    let status: Value = serde_json::from_slice(&status).unwrap();
    assert_eq!(status["revision"].as_u64(), Some(manifest.revision));
    // 3.5 counts the entries of all buckets, later versions the keys that live.
    let keys = match version {
        Version::V3_5 => manifest.counts.buckets.values().sum(),
        _ => manifest.counts.live_keys.unwrap(),
    };
    assert_eq!(status["totalKey"].as_u64(), Some(keys));
    hash_is_that_of_etcdutl(archive, manifest, &status["hash"]).await;
    let data = archive.scratch("restored");
    output(&etcdutl, &["snapshot", "restore", file, "--data-dir", data.to_str().unwrap()]);
}

async fn hash_is_that_of_etcdutl(archive: &Archive, manifest: &Manifest, hash: &Value) {
    let id = &manifest.id.to_string();
    assert!(hash.is_u64());
    let file = archive.scratch("fetched.db");
    let fetched = archive.json(&["fetch", id, "-o", file.to_str().unwrap()]).await;
    assert_eq!(fetched["hash"], *hash);
    let shown = archive.run(&["show", id]).await.stdout;
    assert!(shown.contains("verify --hash"), "nobody has computed it: {shown}");
    assert_eq!(archive.json(&["verify", "--hash", id]).await[0]["hash"], *hash);
    assert_eq!(archive.json(&["show", id]).await["hash"], *hash);
    let hash = u32::try_from(hash.as_u64().unwrap()).unwrap();
    let shown = archive.run(&["show", id]).await.stdout;
    assert_eq!(archive.json(&["verify", id]).await[0]["hash"], Value::Null);
    assert!(shown.lines().any(|line| line == format!("etcdutl's hash   {hash:x}")), "{shown}");
}

async fn a_backup_is_left_out_only_when_nothing_has_changed(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let archive = Archive::in_a_folder();
    let client = cluster.client(0).await;
    client.put(b"/fig", b"leaf").await.unwrap();
    let scheduled = ["once", "--cluster", "kv", "--reason", "scheduled", "--endpoints"];
    let scheduled = [&scheduled[..], &[&cluster.members[0].place.client_url]].concat();

    let first = archive.json(&scheduled).await;
    assert_eq!(first["reason"], "scheduled");
    let files = archive.files();
    assert_eq!(archive.json(&scheduled).await["unchanged"], true);
    assert_eq!(archive.json(&scheduled).await["unchanged"], true);
    assert_eq!(archive.files(), files, "something was written");

    archive.take(&cluster, &["--reason", "on-demand"]).await;
    archive.take(&cluster, &["--reason", "before-upgrade"]).await;
    archive.take(&cluster, &["--reason", "final"]).await;
    client.put(b"/fig", b"fruit").await.unwrap();
    assert_eq!(archive.json(&scheduled).await["revision"], 3);
    assert_eq!(archive.ids().await.len(), 5);
}

#[tokio::test]
async fn a_backup_goes_to_s3_and_comes_back() {
    let server = s3::Server::start().await;
    let archive = Archive::on(&server, "plums").await;
    let cluster = Cluster::start(Version::V3_6, 1).await;
    // More than two parts of the upload.
    fill(&cluster, 20).await;

    let manifest = archive.take(&cluster, &[]).await;

    assert!(manifest.stored.size > 18 << 20, "{}", manifest.stored.size);
    let id = manifest.id.to_string();
    assert_eq!(archive.ids().await, std::slice::from_ref(&id));
    assert_eq!(archive.run(&["verify", &id]).await.code, Some(0));
    assert!(archive.json(&["list"]).await[0]["verified"].is_string());
    let file = archive.scratch("kv.db");
    let fetched = archive.run(&["fetch", &id, "-o", file.to_str().unwrap()]).await;
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    assert_eq!(Digest::of(&std::fs::read(&file).unwrap()), manifest.raw.sha256);
    // A line for people when no terminal is there, and the ID for scripts.
    let people = archive.once(&cluster, &[]).output().await.unwrap();
    let printed = String::from_utf8(people.stdout).unwrap();
    assert!(archive.ids().await.contains(&printed.trim().to_owned()), "{printed}");
}

#[tokio::test]
async fn two_at_once_on_one_archive_are_two_whole_backups() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, 8).await;

    let (one, other) = tokio::join!(archive.take(&cluster, &[]), archive.take(&cluster, &[]));

    assert_ne!(one.id, other.id);
    assert_eq!(archive.ids().await.len(), 2);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}
