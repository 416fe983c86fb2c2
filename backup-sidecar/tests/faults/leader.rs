//! The leader dies while a follower sends its snapshot.

use std::process::Stdio;

use testbed::{cluster::Cluster, member::send_signal, programs::Version, until};

use crate::harness::{Archive, Run, fill};

/// More than the connections and the program hold, so that much is still to come in mid-stream.
const MEGABYTES: usize = 64;

#[tokio::test]
async fn a_leader_that_is_killed_in_mid_stream_does_the_backup_no_harm() {
    let mut cluster = Cluster::start(Version::V3_6, 3).await;
    let archive = Archive::in_a_folder();
    fill(&cluster, MEGABYTES).await;
    let leader = cluster.leader().await;
    let follower = cluster.members[(leader + 1) % 3].place.client_url.clone();
    let child =
        archive.once(&cluster, &["--member", &follower]).stderr(Stdio::piped()).spawn().unwrap();
    until("bytes flow", async || {
        let data = archive
            .files()
            .into_iter()
            .find(|path| path.to_string_lossy().contains("data.db.gz"))?;
        (std::fs::metadata(data).ok()?.len() > 0).then_some(())
    })
    .await;
    send_signal(child.id().unwrap(), "STOP");

    cluster.members[leader].kill();
    send_signal(child.id().unwrap(), "CONT");

    let run = Run::of(child).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
    // And of two that are left, with a new leader.
    let reachable = follower.as_str();
    let next = archive.json(&["once", "--cluster", "kv", "--endpoints", reachable]).await;
    assert_eq!(archive.ids().await[0], next["id"].as_str().unwrap());
}
