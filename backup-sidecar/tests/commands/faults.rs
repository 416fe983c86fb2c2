//! Killed at each stage: no half backup is ever listed, and the next attempt works.

use testbed::{cluster::Cluster, programs::Version, s3};

use crate::harness::{Archive, Run, fill};

/// `Fault` in `src/fault.rs`.
const BEFORE_THE_COMMIT: [&str; 5] =
    ["after-attempt", "mid-upload", "after-parts", "before-data", "after-data"];
/// More than three parts of a multipart upload, so that one is stored in mid-upload.
const MEGABYTES: usize = 26;

async fn killed_at_each_stage(archive: &Archive, version: Version) {
    let cluster = Cluster::start(version, 1).await;
    fill(&cluster, MEGABYTES).await;
    for fault in BEFORE_THE_COMMIT {
        killed(archive, &cluster, fault).await;
        assert_eq!(archive.ids().await, [""; 0], "{fault}");
        let verified = archive.run(&["verify", "--all"]).await;
        assert!(verified.fails(1).contains("nothing was verified"), "{fault}: {verified:?}");
    }
    killed(archive, &cluster, "after-manifest").await;
    let [committed] = &archive.ids().await[..] else { panic!("the manifest is the commit") };
    assert_eq!(archive.run(&["verify", committed]).await.code, Some(0));

    let next = archive.take(&cluster, &[]).await;
    assert_eq!(archive.ids().await[0], next.id.to_string());
    assert_eq!(archive.ids().await.len(), 2);
}

async fn killed(archive: &Archive, cluster: &Cluster, fault: &str) {
    let run =
        Run::of(archive.once(cluster, &[]).env("ETCD_FAULT_POINT", fault).spawn().unwrap()).await;
    assert_eq!(run.code, None, "{fault} ends the program as a crash does: {}", run.stderr);
}

#[tokio::test]
async fn no_stage_leaves_half_a_backup_in_a_folder() {
    killed_at_each_stage(&Archive::in_a_folder(), Version::V3_6).await;
}

/// 3.5 knows no storage version, and its snapshots are streamed by other code than those of 3.6 and 3.7.
#[tokio::test]
async fn no_stage_leaves_half_a_backup_of_etcd_3_5_in_a_folder() {
    killed_at_each_stage(&Archive::in_a_folder(), Version::V3_5).await;
}

#[tokio::test]
async fn no_stage_leaves_half_a_backup_on_s3() {
    let server = s3::Server::start().await;
    killed_at_each_stage(&Archive::on(&server, "plums").await, Version::V3_7).await;
}
