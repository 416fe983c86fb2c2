//! A joiner beside a real cluster.

use std::time::{Duration, Instant};

use testbed::{
    cluster::{Cluster, answered},
    member::Place,
    programs::Version,
    until,
};

use crate::harness::{PEER_URL, Pod};

testbed::on_each_version!(
    a_joiner_waits_until_it_is_a_member,
    a_learner_and_a_member_without_quorum_are_good_enough_to_ask,
    a_member_that_has_started_before_has_lost_its_data,
);

fn peers(cluster: &Cluster) -> Vec<String> {
    cluster.members.iter().map(|member| member.place.peer_url.clone()).collect()
}

async fn a_joiner_waits_until_it_is_a_member(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let mut guard = Pod::joiner(&peers(&cluster)).start();

    let line = guard.line().await;
    assert!(line.contains(&format!("waiting until {PEER_URL} is a member")), "{line}");
    assert!(line.contains(&cluster.members[0].place.peer_url), "{line}");
    client.add_learner("http://quince-8.quince.orchard.svc:2380").await.unwrap();
    let line = guard.line().await;
    assert!(line.contains("quince-8"), "it says that the members have changed: {line}");
    assert!(guard.waits(), "somebody else was added");

    let other = client.member_list().await.unwrap().members;
    let other = other.iter().find(|member| member.is_learner).unwrap();
    answered(async || client.remove(other.id).await).await.unwrap();
    answered(async || client.add_learner(PEER_URL).await).await.unwrap();
    let added = Instant::now();
    assert_eq!(guard.end().await, 0);
    assert!(added.elapsed() < Duration::from_secs(5), "{:?}", added.elapsed());
    assert_eq!(guard.pod.termination_message(), None);
}

async fn a_learner_and_a_member_without_quorum_are_good_enough_to_ask(version: Version) {
    let mut cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let place = Place::new("quince-9");
    client.add_learner(&place.peer_url).await.unwrap();
    cluster.join(&place);
    let learner = cluster.client(1).await;
    until("the learner follows a leader", async || {
        learner.status().await.ok().filter(|status| status.leader.is_some())
    })
    .await;
    cluster.members[0].kill();

    // Nobody lists the joiner, but the learner's list comes, although it knows no leader.
    let mut guard = Pod::joiner(&peers(&cluster)).start();
    let line = guard.line().await;

    assert!(line.contains(&format!("waiting until {PEER_URL} is a member")), "{line}");
    assert!(line.contains(&place.peer_url), "{line}");
}

async fn a_member_that_has_started_before_has_lost_its_data(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let peers = peers(&cluster);
    let pod = Pod::joiner(&peers).flag("--peer-url", &peers[0]);

    let output = pod.run().await;

    assert_eq!(output.status.code(), Some(3));
    let left = pod.termination_message().unwrap();
    assert_eq!(left["reason"], "DataLost");
    assert!(left["message"].as_str().unwrap().contains("has started before"), "{left}");
}
