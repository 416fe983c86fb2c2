//! A cluster with authentication on.

use etcd::{Endpoint, Error, MemberClient, User};

use testbed::{
    cluster::{Cluster, TIMEOUTS},
    programs::Version,
};

testbed::on_each_version!(
    with_authentication_on_calls_without_a_user_are_refused_and_those_of_root_are_not
);

async fn with_authentication_on_calls_without_a_user_are_refused_and_those_of_root_are_not(
    version: Version,
) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let member = client.status().await.unwrap().member_id;
    let url = cluster.members[0].place.client_url.clone();
    let mut raw = etcd_client::Client::connect([url.clone()], None).await.unwrap();
    raw.user_add("root", "secret", None).await.unwrap();
    raw.user_grant_role("root", "root").await.unwrap();
    raw.auth_enable().await.unwrap();

    let refused = || Error::AuthRequired("user name is empty".into());
    assert_eq!(client.put(b"a", b"b").await, Err(refused()));
    assert_eq!(client.remove(member).await, Err(refused()));
    assert_eq!(client.add_learner("http://127.0.0.1:1").await, Err(refused()));
    assert_eq!(client.status().await, Err(refused()));
    assert_eq!(client.member_list().await, Err(refused()));

    let endpoint = Endpoint { url, server_name: None };
    let user = |password| User::new("root", password);
    let root = MemberClient::connect_as(&endpoint, None, &user("secret"), &TIMEOUTS).await.unwrap();
    root.put(b"a", b"b").await.unwrap();
    assert_eq!(root.status().await.unwrap().member_id, member);
    assert_eq!(root.member_list().await.unwrap().members.len(), 1);
    assert!(root.snapshot(TIMEOUTS.read).await.unwrap().total_bytes() > 0);
    let guessed = MemberClient::connect_as(&endpoint, None, &user("guessed"), &TIMEOUTS).await;
    assert_eq!(guessed.err().unwrap().reason(), "AuthRequired");
}
