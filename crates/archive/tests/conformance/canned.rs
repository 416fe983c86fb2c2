//! A server that answers as a test tells it: for what a real one does rarely.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is done with a request.
pub enum Answer {
    /// These bytes, then the end of the connection.
    Bytes(String),
    /// These bytes, then nothing more.
    Stall(String),
    /// A head, then these bytes one at a time with a pause before each.
    Slow(String, &'static str, Duration),
}

/// `Answer::Bytes` with a status and more headers, each ended by a line break.
pub fn answer(status: u16, headers: &str, body: &str) -> Answer {
    let length = if headers.contains("Content-Length") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    Answer::Bytes(format!(
        "HTTP/1.1 {status} Said\r\nConnection: close\r\n{length}{headers}\r\n{body}"
    ))
}

/// A refusal as S3 words it.
pub fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>said by a test</Message></Error>");
    answer(status, "Content-Type: application/xml\r\n", &body)
}

/// Bodies up to this size are kept.
const SHORT: usize = 4 << 10;

/// A server that lives as long as the test's runtime.
pub struct Server {
    /// `http://ADDRESS:PORT`.
    pub endpoint: String,
    heads: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub async fn start(say: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (heads, bodies) = (Arc::default(), Arc::default());
        let (seen, say) = ((Arc::clone(&heads), Arc::clone(&bodies)), Arc::new(say));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, say) = (seen.clone(), Arc::clone(&say));
                tokio::spawn(async move { serve(stream, &seen.0, &seen.1, &*say).await });
            }
        });
        Self { endpoint, heads, bodies }
    }

    /// The bodies of all requests so far that have a short one.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// The heads of all requests so far, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// One request; a client that goes away in the middle is fine.
async fn serve(
    mut stream: TcpStream,
    heads: &Mutex<Vec<String>>,
    bodies: &Mutex<Vec<String>>,
    say: &(dyn Fn(&str) -> Answer + Send + Sync),
) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        stream.read_buf(&mut bytes).await.ok().filter(|count| *count > 0)?;
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        }
    };
    heads.lock().unwrap().push(head.clone());
    let said = say(&head);
    if !matches!(said, Answer::Stall(_)) {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let mut left = (head.len() + 4 + length).saturating_sub(bytes.len());
        let mut piece = vec![0; 64 << 10];
        while left > 0 {
            let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?.min(left);
            left -= count;
            if length <= SHORT {
                bytes.extend_from_slice(&piece[..count]);
            }
        }
        if (1..=SHORT).contains(&length) {
            let body = bytes[head.len() + 4..].to_vec();
            bodies.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
        }
    }
    match said {
        Answer::Bytes(bytes) => stream.write_all(bytes.as_bytes()).await.ok()?,
        Answer::Stall(bytes) => {
            stream.write_all(bytes.as_bytes()).await.ok()?;
            std::future::pending::<()>().await;
        }
        Answer::Slow(head, body, pause) => {
            stream.write_all(head.as_bytes()).await.ok()?;
            for byte in body.bytes() {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await.ok()?;
            }
        }
    }
    stream.shutdown().await.ok()
}
