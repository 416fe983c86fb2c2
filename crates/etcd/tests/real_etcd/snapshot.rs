//! Streaming a member's database.

use std::{path::Path, process::Command, time::Duration};

use etcd::{Error, MemberClient};
use testbed::{
    cluster::{Cluster, TIMEOUTS},
    member::Place,
    programs::Version,
    until,
};
use tokio::net::TcpListener;

const IDLE: Duration = Duration::from_secs(10);

testbed::on_each_version!(
    a_snapshot_is_what_etcdutl_accepts_and_as_long_as_announced,
    a_lone_survivor_still_gives_its_snapshot,
    a_learner_gives_its_snapshot_also_when_the_majority_is_gone,
    a_member_that_dies_in_mid_stream_is_an_error,
);

async fn fill(client: &MemberClient, megabytes: usize) {
    for number in 0..megabytes {
        client.put(format!("/plum/{number}").as_bytes(), &vec![7; 1 << 20]).await.unwrap();
    }
}

async fn save(client: &MemberClient, path: &Path) -> (u64, Option<String>) {
    let mut stream = client.snapshot(IDLE).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    std::fs::write(path, &all).unwrap();
    assert_eq!(u64::try_from(all.len()).unwrap(), stream.total_bytes());
    (stream.total_bytes(), stream.version().map(str::to_owned))
}

async fn a_snapshot_is_what_etcdutl_accepts_and_as_long_as_announced(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    fill(&client, 3).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("snapshot.db");

    let (total, said) = save(&client, &file).await;

    assert!(total > 3 << 20, "{total}");
    let format = client.status().await.unwrap().storage_version;
    let expected = (version != Version::V3_5).then_some(format);
    assert_eq!(said, expected);
    // Restoring checks the trailing digest, which `snapshot status` does not.
    let restored = Command::new(version.program("etcdutl"))
        .args(["snapshot", "restore"])
        .arg(&file)
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}

async fn a_lone_survivor_still_gives_its_snapshot(version: Version) {
    let mut cluster = Cluster::start(version, 3).await;
    let survivor = cluster.client(0).await;
    survivor.put(b"/fig", b"leaf").await.unwrap();
    cluster.members[1].kill();
    cluster.members[2].kill();
    until("the survivor notices that nobody leads", async || {
        survivor.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (total, _) = save(&survivor, &folder.path().join("snapshot.db")).await;
    assert!(total > 16 << 10, "{total}");
}

/// It does not ask for votes, so it never notices that nobody leads: whoever looks for survivors must not
/// wait for that.
async fn a_learner_gives_its_snapshot_also_when_the_majority_is_gone(version: Version) {
    let mut cluster = Cluster::start(version, 2).await;
    let place = Place::new("quince-late");
    let voter = cluster.client(0).await;
    voter.put(b"/fig", b"leaf").await.unwrap();
    until("a learner is admitted", async || voter.add_learner(&place.peer_url).await.ok()).await;
    cluster.join(&place);
    let learner = cluster.client(2).await;
    until("the learner has what was written", async || {
        learner.status().await.ok().filter(|status| status.is_learner && status.revision == 2)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (total, _) = save(&learner, &folder.path().join("before.db")).await;
    assert!(total > 16 << 10, "{total}");
    let leader = cluster.leader().await;
    let other = cluster.client(1 - leader).await;

    cluster.members[leader].kill();
    until("the other voter notices that nobody leads", async || {
        other.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;

    let status = learner.status().await.unwrap();
    assert_eq!((status.is_learner, status.revision), (true, 2));
    assert!(status.leader.is_some(), "it has noticed: {status:?}");
    let (total, _) = save(&learner, &folder.path().join("after.db")).await;
    assert!(total > 16 << 10, "{total}");
}

/// More than the connection's windows hold, so that the member has not sent everything yet.
async fn a_member_that_dies_in_mid_stream_is_an_error(version: Version) {
    let mut cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    fill(&client, 24).await;
    let mut stream = client.snapshot(IDLE).await.unwrap();
    stream.next().await.unwrap().unwrap();

    cluster.members[0].kill();

    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a part was taken for the whole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_member_that_stops_in_mid_stream_ends_at_the_idle_limit() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let client = cluster.client(0).await;
    fill(&client, 24).await;
    let mut stream = client.snapshot(Duration::from_secs(1)).await.unwrap();

    cluster.members[0].signal("STOP");
    let error = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a part was taken for the whole"),
            Err(error) => break error,
        }
    };
    cluster.members[0].signal("CONT");

    assert!(error.to_string().contains("sent nothing of its snapshot for 1s"), "{error}");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_sends_ends_at_the_idle_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let endpoint = etcd::Endpoint { url, server_name: None };
    let client = MemberClient::connect(&endpoint, &TIMEOUTS).await.unwrap();
    let Err(error) = client.snapshot(Duration::from_millis(500)).await else {
        panic!("nobody sent anything")
    };
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
}
