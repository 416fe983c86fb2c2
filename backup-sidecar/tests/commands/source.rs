//! Which member is asked.

use testbed::{cluster::Cluster, member::Place, programs::Version, until};

use crate::harness::{Archive, Run};

#[tokio::test]
async fn a_follower_is_asked_and_the_others_are_found_by_one_endpoint() {
    let cluster = Cluster::start(Version::V3_6, 3).await;
    let archive = Archive::in_a_folder();
    let leader = cluster.leader().await;
    let url = &cluster.members[leader].place.client_url;

    let manifest = archive.json(&["once", "--cluster", "kv", "--endpoints", url]).await;

    let leader = &cluster.members[leader].place.name;
    assert_ne!(manifest["source"]["member"].as_str(), Some(leader.as_str()));
    assert_eq!(manifest["members"].as_array().unwrap().len(), 3);
}

testbed::on_each_version!(
    a_lone_survivor_is_asked_only_on_request,
    a_learner_is_asked_only_by_name_before_a_recovery,
);

async fn a_lone_survivor_is_asked_only_on_request(version: Version) {
    let mut cluster = Cluster::start(version, 3).await;
    let archive = Archive::in_a_folder();
    let survivor = cluster.client(2).await;
    survivor.put(b"/fig", b"leaf").await.unwrap();
    cluster.members[0].kill();
    cluster.members[1].kill();
    until("the survivor notices that nobody leads", async || {
        survivor.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;

    let run = Run::of(archive.once(&cluster, &[]).spawn().unwrap()).await;
    let sentence = run.fails(1);
    assert!(sentence.contains("quince-2 sees no leader"), "{sentence}");
    assert!(sentence.contains("--reason before-recovery"), "{sentence}");
    assert_eq!(archive.files().len(), 0);

    let manifest = archive.take(&cluster, &["--reason", "before-recovery"]).await;
    assert_eq!((manifest.source.member.as_str(), manifest.revision), ("quince-2", 2));
    let url = cluster.members[2].place.client_url.clone();
    archive.take(&cluster, &["--member", &url]).await;
}

async fn a_learner_is_asked_only_by_name_before_a_recovery(version: Version) {
    let mut cluster = Cluster::start(version, 1).await;
    let archive = Archive::in_a_folder();
    let place = Place::new("quince-late");
    let voter = cluster.client(0).await;
    voter.put(b"/fig", b"leaf").await.unwrap();
    voter.add_learner(&place.peer_url).await.unwrap();
    cluster.join(&place);
    let learner = cluster.client(1).await;
    until("the learner has what was written", async || {
        learner.status().await.ok().filter(|it| it.is_learner && it.revision == 2)
    })
    .await;

    assert_eq!(archive.take(&cluster, &[]).await.source.member, "quince-0");
    let by_name = ["--member", &place.client_url];
    let run = Run::of(archive.once(&cluster, &by_name).spawn().unwrap()).await;
    let sentence = run.fails(1);
    assert!(sentence.contains(" is a learner; "), "{sentence}");
    assert!(sentence.contains("--reason before-recovery and --member"), "{sentence}");

    cluster.members[0].kill();
    let more = [&by_name[..], &["--reason", "before-recovery"]].concat();
    let manifest = archive.take(&cluster, &more).await;
    let learner = learner.status().await.unwrap();
    assert_eq!((manifest.source.member_id.0, manifest.revision), (learner.member_id.0, 2));
    assert_eq!(manifest.members.iter().filter(|it| it.is_learner).count(), 1);
}

#[tokio::test]
async fn endpoints_of_two_clusters_are_refused() {
    let (one, other) =
        tokio::join!(Cluster::start(Version::V3_6, 1), Cluster::start(Version::V3_6, 1));
    let archive = Archive::in_a_folder();
    let endpoints =
        [&one, &other].map(|cluster| cluster.members[0].place.client_url.clone()).join(",");
    let run = archive.run(&["once", "--cluster", "kv", "--endpoints", &endpoints]).await;
    assert!(run.fails(1).contains("belong to different etcd clusters"), "{}", run.stderr);
}
