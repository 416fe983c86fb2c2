//! Peers that hang, lie or flood, alone and beside a good one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use testbed::until;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::harness::{PEER_URL, Pod};

/// How a peer answers.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Accepts and says nothing.
    Deaf,
    /// Closes at once.
    Rude,
    /// Answers something that is not HTTP.
    Garbled,
    /// Answers HTTP with this body.
    Body(&'static str),
    /// Answers an error.
    Refusing,
    /// Answers a list that never ends.
    Flooding,
    /// Promises more than it sends, and stays.
    Halting,
}

const NOT_LISTED: Manner =
    Manner::Body(r#"[{"id":1,"peerURLs":["http://quince-0:2380"],"name":"quince-0"}]"#);

/// The joiner's entry: no name yet.
const LISTED: Manner = Manner::Body(
    r#"[{"id":18446744073709551615,"peerURLs":["http://quince-7.quince.orchard.svc:2380"],"name":"","isLearner":true}]"#,
);

/// A peer on loopback that ends with the test.
struct Peer {
    url: String,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, manner));
            }
        });
        Self { url, asked, task }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, manner: Manner) {
    let mut request = [0; 1024];
    let asked = stream.read(&mut request).await.unwrap_or_default();
    assert!(request.starts_with(b"GET /members HTTP/1.1\r\n"), "{:?}", &request[..asked]);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let text = match manner {
        Manner::Deaf => String::new(),
        Manner::Rude => return,
        Manner::Garbled => "\x16\x03\x01 220 welcome\r\n\r\n".to_owned(),
        Manner::Body(body) => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        Manner::Refusing => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Manner::Flooding => format!("{head}\r\n["),
        Manner::Halting => format!("{head}Content-Length: 4096\r\n\r\n[{{\"id\":1,"),
    };
    if stream.write_all(text.as_bytes()).await.is_err() {
        return;
    }
    if matches!(manner, Manner::Flooding) {
        let spaces = vec![b' '; 65536];
        while stream.write_all(&spaces).await.is_ok() {}
    }
    // Stays until the other side has gone.
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test]
async fn each_misbehaviour_is_named_and_waited_out() {
    for (manner, complaint) in [
        (Manner::Deaf, "no answer within 1s"),
        (Manner::Rude, "no HTTP answer"),
        (Manner::Garbled, "no HTTP answer"),
        (Manner::Body("[{\"id\":\"one\"}]"), "its answer is no member list"),
        (Manner::Body("<html>"), "its answer is no member list"),
        (Manner::Refusing, "it answered 503"),
        (Manner::Flooding, "cut off or larger than 1048576 bytes"),
        (Manner::Halting, "no answer within 1s"),
    ] {
        let peer = Peer::start(manner).await;
        let mut guard = Pod::joiner(&[&peer.url]).start();

        let line = guard.line().await;
        assert!(line.contains(complaint), "{manner:?}: {line}");
        let asked = peer.asked();
        until("it asks again", async || (peer.asked() > asked).then_some(())).await;
        assert!(guard.waits(), "{manner:?}");
    }
}

#[tokio::test]
async fn a_good_peer_is_heard_at_once_among_bad_ones() {
    let mut peers = Vec::new();
    for manner in [Manner::Deaf, Manner::Flooding, Manner::Rude, Manner::Halting, LISTED] {
        peers.push(Peer::start(manner).await);
    }
    let urls: Vec<_> = peers.iter().map(|peer| peer.url.as_str()).collect();
    let mut guard = Pod::joiner::<&str>(&[]).flag("--ask", &urls.join(",")).start();

    until("it asks", async || peers.iter().any(|peer| peer.asked() > 0).then_some(())).await;
    let start = Instant::now();

    assert_eq!(guard.end().await, 0);
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_flood_does_not_fill_the_memory() {
    let peer = Peer::start(Manner::Flooding).await;
    let guard = Pod::joiner(&[&peer.url]).start();

    until("it has asked ten times", async || (peer.asked() > 10).then_some(())).await;

    let peak = guard.peak_memory();
    assert!(peak < 24 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn the_service_is_asked_when_no_address_answers() {
    let dead = Peer::start(Manner::Rude).await;
    let behind = Peer::start(LISTED).await;
    let port = behind.url.rsplit_once(':').unwrap().1;
    let pod = Pod::joiner(&[&dead.url]).flag("--ask-service", &format!("localhost:{port}"));

    let output = pod.run().await;

    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn the_service_is_left_alone_while_an_address_answers() {
    let deaf = Peer::start(Manner::Deaf).await;
    let answering = Peer::start(NOT_LISTED).await;
    let behind = Peer::start(LISTED).await;
    let service = behind.url.trim_start_matches("http://").to_owned();
    let pod = Pod::joiner(&[&deaf.url, &answering.url]).flag("--ask-service", &service);
    let mut guard = pod.start();

    until("it has asked four times", async || (answering.asked() >= 4).then_some(())).await;

    assert!(guard.waits());
    assert_eq!(behind.asked(), 0);
}

#[tokio::test]
async fn a_signal_ends_the_wait_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let peer = Peer::start(Manner::Deaf).await;
        let mut guard = Pod::joiner(&[&peer.url]).start();
        // In the midst of a question, too.
        until("it asks", async || (peer.asked() > 0).then_some(())).await;

        let start = Instant::now();
        guard.signal(signal);

        assert_eq!(guard.end().await, code, "SIG{signal}");
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn what_it_waits_for_is_said_once_and_again_when_it_changes() {
    let peer = Peer::start(NOT_LISTED).await;
    let mut guard = Pod::joiner(&[&peer.url]).start();

    let line = guard.line().await;
    assert_eq!(
        line,
        format!("waiting until {PEER_URL} is a member; the members are http://quince-0:2380")
    );
    until("it has asked six times", async || (peer.asked() >= 6).then_some(())).await;
    drop(peer);

    let line = guard.line().await;
    assert!(line.starts_with("waiting for a member to answer"), "{line}");
}
