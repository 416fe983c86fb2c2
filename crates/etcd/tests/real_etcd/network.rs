//! Peers that are dead, deaf or gone for a while.

use std::time::{Duration, Instant};

use etcd::{Endpoint, Error, MemberClient, Timeouts};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use testbed::{
    cluster::{Cluster, TIMEOUTS},
    programs::Version,
    until,
};

/// Short enough to wait for, and long enough to tell from "at once" on a busy machine.
const LIMIT: Duration = Duration::from_millis(1500);

const IMPATIENT: Timeouts = Timeouts { connect: LIMIT, read: LIMIT, change: LIMIT, kv: LIMIT };

fn endpoint(address: std::net::SocketAddr) -> Endpoint {
    Endpoint { url: format!("http://{address}"), server_name: None }
}

/// Asserts that it ended at the limit: not before, and not much later.
fn at_the_limit(start: Instant) {
    let took = start.elapsed();
    assert!(took >= LIMIT && took < LIMIT * 3, "took {took:?}");
}

#[tokio::test]
async fn a_dead_port_is_unreachable_at_once() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let start = Instant::now();

    let Err(error) = MemberClient::connect(&endpoint(address), &IMPATIENT).await else {
        panic!("something listens on {address}")
    };

    let Error::Unreachable { endpoint, detail } = error else { panic!("{error:?}") };
    assert_eq!(endpoint, format!("http://{address}"));
    assert!(detail.contains("Connection refused"), "{detail}");
    assert!(start.elapsed() < LIMIT);
}

#[tokio::test]
async fn a_peer_that_accepts_and_never_answers_ends_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client =
        MemberClient::connect(&endpoint(listener.local_addr().unwrap()), &IMPATIENT).await.unwrap();

    let start = Instant::now();
    let error = client.status().await.unwrap_err();
    at_the_limit(start);
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");

    let start = Instant::now();
    let error = client.member_list().await.unwrap_err();
    at_the_limit(start);
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");
}

/// A listener whose queue is full drops what comes, as a network that swallows packets does.
#[tokio::test]
async fn an_address_that_swallows_packets_ends_at_the_limit() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queued.push(stream);
    }

    let start = Instant::now();
    let answer = MemberClient::connect(&endpoint(address), &IMPATIENT).await;

    at_the_limit(start);
    assert!(matches!(answer, Err(Error::Timeout(_))));
}

#[tokio::test]
async fn an_endpoint_that_is_no_plain_http_url_is_refused_with_what_to_write() {
    for url in ["10.0.0.1:2379", "https://10.0.0.1:2379", "http://", "banana split"] {
        let endpoint = Endpoint { url: url.into(), server_name: None };
        let Err(error) = MemberClient::connect(&endpoint, &IMPATIENT).await else {
            panic!("{url} was dialled")
        };
        assert!(matches!(error, Error::BadEndpoint { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains("write it as http://HOST:PORT"), "{error}");
    }
}

#[tokio::test]
async fn a_stopped_process_times_out_and_answers_after_it_goes_on() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let client = cluster.client_within(0, IMPATIENT).await;
    client.status().await.unwrap();

    cluster.members[0].signal("STOP");
    let start = Instant::now();
    let error = client.status().await.unwrap_err();
    at_the_limit(start);
    assert!(matches!(error, Error::Timeout(_)), "{error:?}");

    cluster.members[0].signal("CONT");
    until("it answers again", async || client.status().await.ok()).await;
}

#[tokio::test]
async fn a_client_finds_its_member_again_after_a_restart() {
    let mut cluster = Cluster::start(Version::V3_6, 1).await;
    let client = cluster.client(0).await;
    client.put(b"/fig", b"leaf").await.unwrap();

    cluster.members[0].kill();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");

    cluster.members[0].restart();
    let read = until("it answers again", async || client.get(b"/fig").await.ok()).await;
    assert_eq!(read.unwrap().value, b"leaf");
}

#[tokio::test]
async fn a_member_dialled_by_address_is_asked_by_its_name() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let url = cluster.members[0].place.client_url.clone();
    let server_name = Some("quince-0.orchard.farm.svc:2379".to_owned());
    let endpoint = Endpoint { url, server_name };

    let client = MemberClient::connect(&endpoint, &TIMEOUTS).await.unwrap();

    assert_eq!(client.member_list().await.unwrap().members.len(), 1);
}
