//! What happens around a backup while its bytes flow.

use std::process::Stdio;

use testbed::{cluster::Cluster, member::send_signal, programs::Version, s3, until};
use tokio::process::Child;

use crate::harness::{Archive, Run, fill};

/// More than the connections and the program hold, so that much is still to come in mid-stream.
const MEGABYTES: usize = 64;

/// A backup that was stopped in mid-stream, by SIGSTOP.
async fn stopped(archive: &Archive, cluster: &Cluster, member: usize) -> Child {
    let url = cluster.members[member].place.client_url.clone();
    let child = archive.once(cluster, &["--member", &url]).stderr(Stdio::piped()).spawn().unwrap();
    until("bytes flow", async || {
        let part = archive
            .files()
            .into_iter()
            .find(|path| path.to_string_lossy().contains("data.db.gz"))?;
        (std::fs::metadata(part).ok()?.len() > 0).then_some(())
    })
    .await;
    send_signal(child.id().unwrap(), "STOP");
    let is_whole = archive.files().iter().any(|path| path.ends_with("data.db.gz"));
    assert!(!is_whole, "it was over before it was stopped");
    child
}

#[tokio::test]
async fn a_change_of_leader_in_mid_stream_does_no_harm() {
    let cluster = Cluster::start(Version::V3_6, 3).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, MEGABYTES).await;
    let leader = cluster.leader().await;
    let next = (leader + 1) % 3;
    let child = stopped(&archive, &cluster, leader).await;

    let to = cluster.client(next).await.status().await.unwrap().member_id;
    cluster.client(leader).await.move_leader(to).await.unwrap();
    send_signal(child.id().unwrap(), "CONT");

    let run = Run::of(child).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn a_member_that_restarts_in_mid_stream_fails_the_backup_and_the_next_one_works() {
    let mut cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, MEGABYTES).await;
    let child = stopped(&archive, &cluster, 0).await;

    cluster.members[0].restart();
    send_signal(child.id().unwrap(), "CONT");

    let run = Run::of(child).await;
    let sentence = run.fails(1);
    assert!(sentence.contains("the snapshot did not come whole"), "{sentence}");
    assert_eq!(archive.ids().await, [""; 0]);
    assert_eq!(archive.files(), [""; 0].map(std::path::PathBuf::from), "it cleans up after itself");
    cluster.client(0).await;
    until("etcd serves again", async || cluster.client(0).await.member_list().await.ok()).await;
    archive.take(&cluster, &[]).await;
}

#[tokio::test]
async fn a_store_that_dies_in_mid_stream_fails_the_backup_and_the_next_one_works() {
    let mut server = s3::Server::start().await;
    let archive = Archive::on(&server, "plums").await;
    let cluster = Cluster::start(Version::V3_6, 1).await;
    fill(&cluster, MEGABYTES).await;
    let child = archive.once(&cluster, &[]).env("ETCD_BACKUP_LOG", "warn").spawn().unwrap();
    server.kill();

    let run = Run::of(child).await;
    run.fails(1);
    server.restart().await;
    assert_eq!(archive.ids().await, [""; 0]);
    archive.take(&cluster, &[]).await;
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn a_fetch_that_is_interrupted_leaves_no_file() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, MEGABYTES).await;
    let id = archive.take(&cluster, &[]).await.id.to_string();
    let file = archive.scratch("kv.db");
    let fetching = archive.command(&["fetch", &id, "-o", file.to_str().unwrap()]).spawn().unwrap();
    let others = || {
        let names = std::fs::read_dir(file.parent().unwrap()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("kv.db")).collect::<Vec<_>>()
    };
    until("it is being written", async || (!others().is_empty()).then_some(())).await;
    let fetcher = fetching.id().unwrap();
    send_signal(fetcher, "STOP");
    assert!(!file.exists(), "it was over before it was stopped");
    send_signal(fetcher, "TERM");
    send_signal(fetcher, "CONT");

    let run = Run::of(fetching).await;
    assert!(run.fails(1).starts_with("interrupted"), "{}", run.stderr);
    assert_eq!(others(), [""; 0]);
}

#[tokio::test]
async fn who_interrupts_a_backup_is_told_and_nothing_is_listed() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, MEGABYTES).await;
    let child = stopped(&archive, &cluster, 0).await;
    send_signal(child.id().unwrap(), "INT");
    send_signal(child.id().unwrap(), "CONT");

    let run = Run::of(child).await;
    assert!(run.fails(1).starts_with("interrupted"), "{}", run.stderr);
    assert_eq!(archive.ids().await, [""; 0]);
}
