//! Alarms: a full database, and one that calls itself damaged.

use etcd::{Alarm, AlarmKind, Error, MemberId};
use etcd_client::{AlarmAction, AlarmOptions, AlarmType};

use testbed::{
    cluster::{Cluster, answered},
    programs::Version,
    until,
};

testbed::on_each_version!(
    a_full_database_refuses_writes_and_takes_membership_changes,
    damaged_data_is_named,
    an_alarm_of_a_member_that_is_not_there_is_disarmed_alone,
);

async fn a_full_database_refuses_writes_and_takes_membership_changes(version: Version) {
    let quota = ["--quota-backend-bytes", "1000000"];
    let cluster = Cluster::start_with(version, 1, &quota).await;
    let client = cluster.client(0).await;
    let member_id = client.status().await.unwrap().member_id;
    assert_eq!(client.alarms().await.unwrap(), []);

    // etcd compares with the quota what it has committed to disk, ten times a second.
    let value = vec![1; 100_000];
    let refusal =
        until("the database is full", async || client.put(b"k", &value).await.err()).await;

    assert_eq!(refusal, Error::NoSpace);
    let expected = Alarm { member_id, kind: AlarmKind::NoSpace };
    assert_eq!(client.alarms().await.unwrap(), [expected]);
    assert!(client.delete(b"k").await.unwrap());
    let added = client.add_learner("http://127.0.0.1:1").await.unwrap();
    answered(async || client.remove(added.id).await).await.unwrap();
}

async fn damaged_data_is_named(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let member_id = client.status().await.unwrap().member_id;
    let url = cluster.members[0].place.client_url.clone();
    let mut raw = etcd_client::Client::connect([url], None).await.unwrap();
    let mut options = AlarmOptions::new();
    options.with_member(member_id.0);
    raw.alarm(AlarmAction::Activate, AlarmType::Corrupt, Some(options)).await.unwrap();

    assert_eq!(client.put(b"a", b"b").await, Err(Error::Corrupt));
    let expected = Alarm { member_id, kind: AlarmKind::Corrupt };
    assert_eq!(client.alarms().await.unwrap(), [expected]);
}

/// As it comes back with a backup: etcd serves nobody because of it, but takes it away.
async fn an_alarm_of_a_member_that_is_not_there_is_disarmed_alone(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let url = cluster.members[0].place.client_url.clone();
    let mut raw = etcd_client::Client::connect([url], None).await.unwrap();
    for kind in [AlarmType::Corrupt, AlarmType::Nospace] {
        let mut options = AlarmOptions::new();
        options.with_member(12_345);
        raw.alarm(AlarmAction::Activate, kind, Some(options)).await.unwrap();
    }
    let of = |kind| Alarm { member_id: MemberId(12_345), kind };

    client.disarm(of(AlarmKind::Corrupt)).await.unwrap();
    assert_eq!(client.alarms().await.unwrap(), [of(AlarmKind::NoSpace)]);
    client.disarm(of(AlarmKind::NoSpace)).await.unwrap();
    assert_eq!(client.alarms().await.unwrap(), []);
    client.put(b"a", b"b").await.unwrap();
}
