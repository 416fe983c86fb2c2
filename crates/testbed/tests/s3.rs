//! The S3 server that other tests stand on.

use testbed::s3::Server;

#[tokio::test]
async fn two_servers_live_side_by_side_and_one_comes_back_with_its_data() {
    let (mut one, other) = tokio::join!(Server::start(), Server::start());
    one.create_bucket("plum").await;
    one.restart().await;
    assert!(one.has_bucket("plum"));
    assert!(!other.has_bucket("plum"));
}
