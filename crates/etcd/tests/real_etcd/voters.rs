//! Refusals that need several voters, and who leads.

use etcd::Error;

use testbed::{cluster::Cluster, programs::Version, until};

testbed::on_each_version!(
    a_member_tells_who_it_is,
    a_cluster_with_a_voter_away_is_not_changed,
    leadership_is_handed_over_by_the_leader_alone,
    a_phantom_voter_blocks_the_removal_of_a_started_one,
);

async fn a_member_tells_who_it_is(version: Version) {
    let cluster = Cluster::start(version, 3).await;
    let client = cluster.client(1).await;

    let status = client.status().await.unwrap();
    let list = client.member_list().await.unwrap();

    assert!(status.version.starts_with(version.minor()), "{}", status.version);
    assert_eq!((status.cluster_id, status.member_id), (list.cluster_id, list.answered_by));
    let own = list.members.iter().find(|member| member.id == status.member_id).unwrap();
    assert_eq!(own.name, "quince-1");
    assert!(list.members.iter().any(|member| Some(member.id) == status.leader));
    assert!(!status.is_learner && status.errors.is_empty(), "{status:?}");
    assert!(status.db_size >= status.db_size_in_use && status.db_size_in_use > 0, "{status:?}");
    assert!(status.raft_term > 0 && status.raft_index >= status.raft_applied_index);
    assert!(status.raft_applied_index > 0);
}

/// etcd's strict-reconfig-check: all voters connected, for five seconds already.
async fn a_cluster_with_a_voter_away_is_not_changed(version: Version) {
    let mut cluster = Cluster::start(version, 3).await;
    let leader = cluster.leader().await;
    let client = cluster.client(leader).await;

    cluster.members[(leader + 1) % 3].kill();
    let refusal = client.add_learner("http://127.0.0.1:1").await.unwrap_err();

    assert_eq!(refusal, Error::UnhealthyCluster);
    assert!(refusal.is_wait());
}

async fn leadership_is_handed_over_by_the_leader_alone(version: Version) {
    let cluster = Cluster::start(version, 3).await;
    let leader = cluster.leader().await;
    let follower = cluster.client((leader + 1) % 3).await;
    let leader = cluster.client(leader).await;
    let to = follower.status().await.unwrap().member_id;
    let stranger = etcd::MemberId(42);

    assert_eq!(follower.move_leader(to).await, Err(Error::NotLeader));
    assert_eq!(leader.move_leader(stranger).await, Err(Error::BadLeaderTransferee));
    leader.move_leader(to).await.unwrap();

    let seen = follower.status().await.unwrap().leader;
    assert_eq!(seen, Some(to));
}

async fn a_phantom_voter_blocks_the_removal_of_a_started_one(version: Version) {
    let cluster = Cluster::start(version, 2).await;
    let client = cluster.client(0).await;
    // The library has no way to add a voter, on purpose: this is what others may have left behind.
    let url = cluster.members[0].place.client_url.clone();
    let mut raw = etcd_client::Client::connect([url], None).await.unwrap();
    until("etcd lets a voter be added", async || {
        raw.member_add(["http://127.0.0.1:1"], None).await.ok()
    })
    .await;
    let started = client.status().await.unwrap().member_id;

    let refusal = client.remove(started).await.unwrap_err();

    assert_eq!(refusal, Error::NotEnoughStartedMembers);
    assert!(refusal.is_wait());
}
