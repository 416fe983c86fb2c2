//! Connections of the server of probes and metrics: few at a time, and each ends soon.
//!
//! Whoever says nothing, or does not take its answer, costs one place for some seconds. When all are
//! taken the oldest goes, so that a kubelet's probe always gets in. Requests have no body that is read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// After an accept that failed, which is for want of file descriptors as a rule.
const BREATHER: Duration = Duration::from_millis(100);

/// What clients may take. Tests make it small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time: some kubelets and scrapers.
    pub places: usize,
    /// For the head of a request to come.
    pub head: Duration,
    /// For the one request of a connection and its answer.
    pub whole: Duration,
    /// Bytes of the head of a request; hyper wants 8 KiB at least.
    pub head_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let [head, whole] = [5, 15].map(Duration::from_secs);
        Self { places: 64, head, whole, head_size: 16 << 10 }
    }
}

/// Serves for ever.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits) -> Infallible {
    let (mut connections, mut places) = (JoinSet::new(), VecDeque::<AbortHandle>::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => {
                places.retain(|connection| !connection.is_finished());
                continue;
            }
        };
        match accepted {
            Ok((stream, _)) => {
                if places.len() >= limits.places
                    && let Some(oldest) = places.pop_front()
                {
                    oldest.abort();
                }
                places.push_back(connections.spawn(one(stream, routes.clone(), limits)));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(BREATHER).await;
            }
        }
    }
}

/// One request and its answer.
async fn one(stream: TcpStream, routes: Router, limits: Limits) {
    let answered = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_size)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    match timeout(limits.whole, answered).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for probes or metrics broke off"),
        Err(_) => tracing::debug!("a client did not take its answer in time"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const LIMITS: Limits = Limits {
        places: 3,
        head: Duration::from_millis(300),
        whole: Duration::from_millis(600),
        head_size: 8 << 10,
    };
    /// More than the sockets of both sides take by themselves.
    const MUCH: usize = 64 << 20;

    async fn started(limits: Limits) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/much", get(|| async { vec![b'x'; MUCH] }));
        drop(tokio::spawn(serve(listener, routes, limits)));
        address
    }

    async fn connect(address: SocketAddr) -> TcpStream {
        TcpStream::connect(address).await.unwrap()
    }

    /// All that comes until the connection is closed, however it is.
    async fn rest(mut client: TcpStream) -> String {
        let mut all = Vec::new();
        let ended = timeout(Duration::from_secs(20), client.read_to_end(&mut all)).await;
        drop(ended.expect("the server closes it"));
        String::from_utf8(all).unwrap()
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut client = connect(address).await;
        // Who is refused may not take all of it.
        drop(client.write_all(request.as_bytes()).await);
        rest(client).await
    }

    const PROBE: &str = "GET /healthz HTTP/1.1\r\nHost: operator\r\n\r\n";

    #[tokio::test]
    async fn a_probe_is_answered_and_its_connection_closed() {
        let answer = ask(started(Limits::default()).await, PROBE).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    }

    #[tokio::test]
    async fn who_is_slow_with_its_request_is_cut_off() {
        let address = started(LIMITS).await;
        for said in ["", "GET /heal", "GET /healthz HTTP/1.1\r\nHost: op"] {
            let mut client = connect(address).await;
            client.write_all(said.as_bytes()).await.unwrap();
            assert!(!rest(client).await.contains("200"), "{said}");
        }
    }

    #[tokio::test]
    async fn who_does_not_take_its_answer_is_cut_off() {
        let address = started(LIMITS).await;
        let mut client = connect(address).await;
        client.write_all(PROBE.replace("healthz", "much").as_bytes()).await.unwrap();
        // Three more time limits than it has, in other connections, of which none is dropped for another.
        for _ in 0..3 {
            rest(connect(address).await).await;
        }
        assert!(rest(client).await.len() < MUCH, "the answer was waited for");
    }

    #[tokio::test]
    async fn who_opens_connections_and_says_nothing_keeps_no_probe_out() {
        let patient = Duration::from_mins(1);
        let address = started(Limits { head: patient, whole: patient, ..LIMITS }).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(connect(address).await);
            let answer = ask(address, PROBE).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert_eq!(rest(silent.swap_remove(0)).await, "", "the oldest has gone");
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_refused() {
        let address = started(Limits { head_size: LIMITS.head_size, ..Limits::default() }).await;
        let long = "x".repeat(1 << 20);
        for request in [
            format!("GET /{long} HTTP/1.1\r\n\r\n"),
            format!("GET /healthz HTTP/1.1\r\nHost: operator\r\nCookie: {long}\r\n\r\n"),
        ] {
            let answer = ask(address, &request).await;
            assert!(!answer.contains("200"), "{answer}");
        }
        assert!(ask(address, PROBE).await.contains("200"), "others are still served");
    }
}
