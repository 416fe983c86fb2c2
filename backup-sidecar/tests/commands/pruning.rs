//! `prune` says what it does, and does it.

use testbed::{cluster::Cluster, programs::Version};

use crate::harness::{Archive, Run};

#[tokio::test]
async fn what_no_rule_keeps_goes_and_a_dry_run_only_says_so() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    for _ in 0..3 {
        archive.take(&cluster, &[]).await;
    }
    let all = archive.ids().await;
    let newest_first = archive.json(&["prune", "--keep-last", "2", "--dry-run"]).await;
    let fates: Vec<_> =
        newest_first["backups"].as_array().unwrap().iter().map(|one| one["fate"].clone()).collect();
    assert_eq!(fates, ["keep", "keep", "delete"]);
    assert_eq!(archive.ids().await, all);

    let run = archive.run(&["prune", "--keep-last", "2"]).await;

    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("no rule keeps it"), "{}", run.stdout);
    assert_eq!(archive.ids().await, all[..2]);
    assert_eq!(archive.files().len(), 6);
    archive.run(&["prune", "--max-backups", "1"]).await;
    assert_eq!(archive.ids().await, all[..1]);
    archive.run(&["prune", "--keep-daily", "0"]).await;
    assert_eq!(archive.ids().await, all[..1], "the newest stays whatever is said");
}

#[tokio::test]
async fn of_several_clusters_one_must_be_chosen() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    archive.take(&cluster, &["--uid", "one"]).await;
    archive.take(&cluster, &["--uid", "other"]).await;

    let run = archive.run(&["prune", "--keep-last", "1"]).await;
    let sentence = run.fails(2);
    assert!(sentence.contains("_/kv/one, _/kv/other") && sentence.contains("--uid"), "{sentence}");
    assert_eq!(archive.run(&["prune", "--keep-last", "1", "--uid", "one"]).await.code, Some(0));
}

#[tokio::test]
async fn a_backup_without_its_data_is_no_newest_and_the_last_good_one_stays() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let mut good = archive.take(&cluster, &[]).await.id.to_string();
    for is_cut in [false, true] {
        cluster.client(0).await.put(b"plum", &[u8::from(is_cut)]).await.unwrap();
        let broken = archive.take(&cluster, &[]).await;
        let start = broken.started.strftime("%Y%m%dT%H%M%SZ").to_string();
        let is_its = |path: &std::path::PathBuf| {
            path.ends_with("data.db.gz") && path.to_str().unwrap().contains(&start)
        };
        let data = archive.files().into_iter().find(is_its).unwrap();
        if is_cut {
            std::fs::File::options().write(true).open(data).unwrap().set_len(300).unwrap();
        } else {
            std::fs::remove_file(data).unwrap();
        }
        let list = archive.json(&["list"]).await;
        let damaged = list[0]["damaged"].as_str().unwrap();
        assert!(damaged.starts_with("its data"), "{damaged}");
        let plain = archive.run(&["list"]).await;
        assert!(plain.stdout.contains("damaged: its data"), "{}", plain.stdout);

        let pruned = archive.run(&["prune", "--max-backups", "1"]).await;
        assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
        assert!(archive.ids().await.contains(&good), "{}", pruned.stdout);

        let again = once(&archive, &cluster).await;
        assert!(again["unchanged"].is_null(), "nothing restorable has what is there: {again}");
        good = again["id"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn what_died_in_an_archive_without_a_backup_goes_too() {
    let archive = Archive::in_a_folder();
    let folder = archive.scratch("v1/_/kv/etcd-1/snapshots/20260101T100000Z");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["attempt.json", "data.db.gz"] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(490_906);
        file.set_modified(old).unwrap();
    }
    let run = archive.run(&["prune", "--cluster", "kv", "--keep-last", "1"]).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("2 leftovers"), "{}", run.stderr);
    assert_eq!(archive.files(), [""; 0].map(std::path::PathBuf::from));
}

#[tokio::test]
async fn another_etcd_with_the_same_cluster_id_is_refused_until_it_has_a_uid_of_its_own() {
    let archive = Archive::in_a_folder();
    let cluster = Cluster::start(Version::V3_6, 1).await;
    for value in 0..3_u8 {
        cluster.client(0).await.put(b"plum", &[value]).await.unwrap();
    }
    let taken = archive.take(&cluster, &[]).await;
    // As after `rm -rf` of the data directory: the same URLs and token, so the same ID.
    let mut manifest = serde_json::to_value(&taken).unwrap();
    let file = archive.file("manifest-");
    let later = taken.revision + 7;
    manifest["revision"] = later.into();
    manifest["raftAppliedIndex"] = (taken.raft_applied_index + 7).into();
    let id = format!("{later:016x}-{}", taken.started.strftime("%Y%m%dT%H%M%SZ"));
    manifest["id"] = id.clone().into();
    std::fs::write(
        file.with_file_name(format!("manifest-{later:016x}.json")),
        manifest.to_string(),
    )
    .unwrap();
    std::fs::remove_file(file).unwrap();

    for reason in ["scheduled", "on-demand"] {
        let run = Run::of(archive.once(&cluster, &["--reason", reason]).spawn().unwrap()).await;
        let sentence = run.fails(1);
        assert!(sentence.contains(&id) && sentence.contains("--uid NAME"), "{sentence}");
    }
    assert_eq!(archive.ids().await, [id]);
    archive.take(&cluster, &["--uid", "anew"]).await;
}

#[tokio::test]
async fn another_etcd_at_the_same_revision_and_raft_index_is_not_unchanged() {
    let archive = Archive::in_a_folder();
    let cluster = Cluster::start(Version::V3_6, 1).await;
    cluster.client(0).await.put(b"plum", b"mine").await.unwrap();
    let taken = archive.take(&cluster, &[]).await;
    let scheduled = async || once(&archive, &cluster).await;
    assert_eq!(scheduled().await["unchanged"], true);

    // What an etcd that was wiped and filled anew differs in: other keys have another hash.
    let file = archive.file("manifest-");
    let mut manifest = serde_json::to_value(&taken).unwrap();
    manifest["keysHash"] = (taken.keys_hash.unwrap() ^ 1).into();
    std::fs::write(file, manifest.to_string()).unwrap();
    assert!(scheduled().await["unchanged"].is_null());
    assert_eq!(scheduled().await["unchanged"], true);
}

#[tokio::test]
async fn a_backup_that_is_fetched_is_left_alone_for_a_day() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(archive.take(&cluster, &[]).await.id.to_string());
    }
    let file = archive.scratch("kv.db");
    archive.json(&["fetch", &ids[0], "-o", file.to_str().unwrap()]).await;
    let pruned = archive.run(&["prune", "--keep-last", "1"]).await;
    assert!(pruned.stdout.contains("named by a restore"), "{}", pruned.stdout);
    assert_eq!(archive.ids().await, [ids[2].clone(), ids[0].clone()]);
}

async fn once(archive: &Archive, cluster: &Cluster) -> serde_json::Value {
    let once = archive.once(cluster, &["--reason", "scheduled", "--json"]).spawn().unwrap();
    let run = Run::of(once).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}
