//! What a member without its majority answers.

use std::time::Duration;

use etcd::{Error, MemberId, Timeouts};

use testbed::{
    cluster::{Cluster, TIMEOUTS},
    programs::Version,
    until,
};

testbed::on_each_version!(
    without_quorum_only_the_serializable_list_is_answered,
    without_a_leader_a_change_is_refused_and_not_left_pending,
);

async fn without_quorum_only_the_serializable_list_is_answered(version: Version) {
    let mut cluster = Cluster::start(version, 3).await;
    let limits = Timeouts { read: Duration::from_millis(500), ..TIMEOUTS };
    let survivor = cluster.client_within(0, limits).await;
    let before = survivor.member_list_serializable().await.unwrap();

    cluster.members[1].kill();
    cluster.members[2].kill();

    // At first it still believes in its leader and waits for a majority that does not come.
    let refusal = survivor.member_list().await.unwrap_err();
    assert!(matches!(refusal, Error::Timeout(_) | Error::NoLeader), "{refusal:?}");
    let status = until("the survivor notices that nobody leads", async || {
        survivor.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;
    assert_eq!(status.errors, ["etcdserver: no leader"]);
    assert_eq!(survivor.member_list().await, Err(Error::NoLeader));
    assert_eq!(survivor.member_list_serializable().await.unwrap(), before);
}

async fn without_a_leader_a_change_is_refused_and_not_left_pending(version: Version) {
    let mut cluster = Cluster::start(version, 3).await;
    let survivor = cluster.client(0).await;
    cluster.members[1].kill();
    cluster.members[2].kill();
    until("the survivor notices that nobody leads", async || {
        survivor.status().await.ok().filter(|status| status.leader.is_none())
    })
    .await;

    let gone = cluster.members[1].place.clone();
    let list = survivor.member_list_serializable().await.unwrap();
    let gone: MemberId = list.members.iter().find(|m| m.name == gone.name).unwrap().id;

    assert_eq!(survivor.remove(gone).await, Err(Error::NoLeader));
    assert_eq!(survivor.promote(gone).await, Err(Error::NoLeader));
    assert_eq!(survivor.add_learner("http://127.0.0.1:1").await, Err(Error::NoLeader));
    assert_eq!(survivor.alarms().await, Err(Error::NoLeader));
}
