//! `prune` says what it does, and does it.

use testbed::{cluster::Cluster, programs::Version};

use crate::harness::Archive;

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
