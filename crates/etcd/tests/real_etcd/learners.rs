//! Adding, promoting and removing learners, with and without a process behind them.

use std::time::{Duration, Instant};

use etcd::{Error, MemberClient, MemberId};

use testbed::{
    cluster::{Cluster, answered},
    member::Place,
    programs::Version,
    until,
};

testbed::on_each_version!(
    a_phantom_learner_can_be_seen_and_removed,
    a_second_learner_is_refused,
    a_peer_url_is_not_added_twice,
    a_phantom_learner_is_not_promoted,
    an_unknown_member_is_neither_promoted_nor_removed,
    a_voter_is_not_promoted_again,
    a_learner_joins_answers_status_alone_and_is_promoted,
);

const PHANTOM: &str = "http://127.0.0.1:1";

async fn a_phantom_learner_can_be_seen_and_removed(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;

    let added = client.add_learner(PHANTOM).await.unwrap();
    assert_eq!((added.name.as_str(), added.peer_urls.as_slice()), ("", &[PHANTOM.to_owned()][..]));
    assert!(added.is_learner && added.client_urls.is_empty());
    let list = client.member_list().await.unwrap();
    assert_eq!(list.members.len(), 2);
    assert!(list.members.contains(&added));

    answered(async || client.remove(added.id).await).await.unwrap();
    let list = client.member_list().await.unwrap();
    assert_eq!(list.members.len(), 1);
    assert_eq!(list.members[0].name, "quince-0");
    assert_eq!(list.members[0].id, list.answered_by);
    assert_eq!(list.members[0].client_urls, [cluster.members[0].place.client_url.clone()]);
}

async fn a_second_learner_is_refused(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    client.add_learner(PHANTOM).await.unwrap();

    let second = answered(async || client.add_learner("http://127.0.0.1:2").await).await;

    assert_eq!(second, Err(Error::TooManyLearners));
}

async fn a_peer_url_is_not_added_twice(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    client.add_learner(PHANTOM).await.unwrap();

    // Within the same second etcd's text is "member ID already exist", then it is the other one.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1200) {
        let again = answered(async || client.add_learner(PHANTOM).await).await;
        assert_eq!(again, Err(Error::PeerUrlExists));
    }
}

async fn a_phantom_learner_is_not_promoted(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let phantom = client.add_learner(PHANTOM).await.unwrap();

    let refusal = client.promote(phantom.id).await.unwrap_err();

    assert_eq!(refusal, Error::NotInSync);
    assert!(refusal.is_wait());
}

async fn an_unknown_member_is_neither_promoted_nor_removed(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;

    assert_eq!(client.promote(MemberId(42)).await, Err(Error::MemberNotFound));
    let removed = answered(async || client.remove(MemberId(42)).await).await;
    assert_eq!(removed, Err(Error::MemberNotFound));
}

async fn a_voter_is_not_promoted_again(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let voter = client.status().await.unwrap().member_id;

    assert_eq!(client.promote(voter).await, Err(Error::NotLearner));
}

async fn a_learner_joins_answers_status_alone_and_is_promoted(version: Version) {
    let mut cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let place = Place::new("quince-9");
    let learner = client.add_learner(&place.peer_url).await.unwrap();
    cluster.join(&place);
    let joined = cluster.client(1).await;

    let status = until("the learner follows a leader", async || {
        joined.status().await.ok().filter(|status| status.leader.is_some())
    })
    .await;
    assert_eq!((status.member_id, status.is_learner), (learner.id, true));
    assert_eq!(joined.member_list().await, Err(Error::LearnerRefuses));
    assert_eq!(joined.member_list_serializable().await, Err(Error::LearnerRefuses));

    until("the learner is promoted", async || match client.promote(learner.id).await {
        Ok(()) => Some(()),
        Err(refusal) => {
            assert!(refusal.is_wait(), "{refusal}");
            None
        }
    })
    .await;
    until("the promoted member answers as a voter", async || {
        let list = joined.member_list().await.ok()?;
        list.members.iter().all(|member| !member.is_learner).then_some(())
    })
    .await;
    knows_of_the_vote_without_a_quorum(&mut cluster, &client).await;
}

/// By this the operator counts a vote that it could not write down.
async fn knows_of_the_vote_without_a_quorum(cluster: &mut Cluster, left: &MemberClient) {
    cluster.members[1].kill();
    until("the one that is left sees no leader", async || {
        left.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;
    let list = left.member_list_serializable().await.unwrap();
    let voters = list.members.iter().filter(|member| !member.is_learner);
    assert_eq!(voters.count(), 2);
}
