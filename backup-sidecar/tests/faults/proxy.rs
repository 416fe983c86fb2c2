//! Stands between the program and the S3 server, and does to its requests what a test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use testbed::s3::Server;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// What is done with a request.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    /// It goes on, and so does its answer.
    Pass,
    /// This status and word of S3's; the server hears nothing of it.
    Refuse(u16, &'static str),
    /// A success, though the server hears nothing of it.
    Lie,
    /// Half of its body goes on, then both connections break.
    CutRequest,
    /// Half of the answer's body comes back, rounded up, then both connections break.
    CutAnswer,
    /// Nothing of the answer's body comes back, and no answer if it has none.
    DropAnswer,
    /// The answer says that the object is one byte shorter than it is.
    Shorten,
    /// Both bodies go on at this many bytes a second.
    Slow(u64),
}

/// Lives as long as the test's runtime. Each connection takes one request.
pub struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

type Say = dyn Fn(&str) -> Deed + Send + Sync;

impl Proxy {
    /// `say` is given the head of each request in lower case.
    pub fn start(server: &Server, say: impl Fn(&str) -> Deed + Send + Sync + 'static) -> Self {
        let upstream = server.endpoint().trim_start_matches("http://").parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        // What the system holds is not on its way to the server.
        socket.set_recv_buffer_size(16 << 10).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, say): (Arc<Mutex<Vec<String>>>, Arc<Say>) = (Arc::default(), Arc::new(say));
        let seen = heads.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, say) = (seen.clone(), say.clone());
                tokio::spawn(async move { serve(stream, upstream, &seen, &*say).await });
            }
        });
        Self { address, heads }
    }

    /// The URL of a store in this bucket, for `--store`.
    pub fn url(&self, bucket: &str) -> String {
        format!("s3://{bucket}/backups?endpoint=http://{}", self.address)
    }

    /// Whether such a request has come.
    pub fn has_seen(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        self.heads.lock().unwrap().iter().any(|head| is_meant(head))
    }
}

/// Whether it is a part of an upload.
pub fn is_part(head: &str) -> bool {
    head.starts_with("put") && head.contains("partnumber=")
}

/// Whether it is of this method and about an object whose name begins so.
pub fn is(head: &str, method: &str, object: &str) -> bool {
    let path = head.split(' ').nth(1).unwrap_or_default();
    head.starts_with(method) && path.contains(&format!("/{object}"))
}

async fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    seen: &Mutex<Vec<String>>,
    say: &Say,
) -> std::io::Result<()> {
    let (head, begun) = head_of(&mut client).await?;
    let lower = head.to_lowercase();
    seen.lock().unwrap().push(lower.clone());
    let deed = say(&lower);
    let body = length(&lower).unwrap_or_default();
    match deed {
        Deed::Refuse(status, code) => {
            let text =
                format!("<Error><Code>{code}</Code><Message>said by a test</Message></Error>");
            answer(client, &begun, body, status, &text).await
        }
        Deed::Lie => answer(client, &begun, body, 200, "").await,
        _ => {
            let mut server = TcpStream::connect(upstream).await?;
            // So that the end of the answer is the end of the connection.
            let head = format!("{head}\r\nConnection: close\r\n\r\n");
            server.write_all(head.as_bytes()).await?;
            let most = if matches!(deed, Deed::CutRequest) { body / 2 } else { body };
            hand_on(&mut client, &mut server, &begun, most, deed).await?;
            if most < body {
                return Ok(());
            }
            hand_back(&mut server, &mut client, &lower, deed).await
        }
    }
}

async fn hand_back(
    server: &mut TcpStream,
    client: &mut TcpStream,
    request: &str,
    deed: Deed,
) -> std::io::Result<()> {
    let (mut head, begun) = head_of(server).await?;
    let body = length(&head.to_lowercase());
    if let (Deed::Shorten, Some(body)) = (deed, body) {
        let line = |length: u64| format!("Content-Length: {length}\r\n");
        head = format!("{head}\r\n").replace(&line(body), &line(body.saturating_sub(1)));
        head.truncate(head.trim_end().len());
    }
    if matches!((deed, body), (Deed::DropAnswer, None | Some(0))) {
        return Ok(());
    }
    client.write_all(format!("{head}\r\n\r\n").as_bytes()).await?;
    let body = if request.starts_with("head") { 0 } else { body.unwrap_or(u64::MAX) };
    let most = match deed {
        Deed::CutAnswer => body.div_ceil(2),
        Deed::DropAnswer => 0,
        _ => body,
    };
    hand_on(server, client, &begun, most, deed).await?;
    client.shutdown().await
}

/// Head without its empty line, and what came behind it.
async fn head_of(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            return Ok((head, bytes.split_off(end + 4)));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn length(head: &str) -> Option<u64> {
    head.lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map(|length| length.parse().unwrap())
}

/// Hands on what was read already and then more, `most` bytes together.
async fn hand_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    begun: &[u8],
    most: u64,
    deed: Deed,
) -> std::io::Result<()> {
    let mut from = begun.chain(from).take(most);
    let size =
        if let Deed::Slow(pace) = deed { (pace / 16).clamp(256, 64 << 10) } else { 64 << 10 };
    let mut piece = vec![0; usize::try_from(size).unwrap()];
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        if let Deed::Slow(pace) = deed {
            let micros = 1_000_000 * u64::try_from(count).unwrap() / pace;
            tokio::time::sleep(Duration::from_micros(micros)).await;
        }
        to.write_all(&piece[..count]).await?;
    }
}

/// Takes the request to its end and answers it.
async fn answer(
    mut client: TcpStream,
    begun: &[u8],
    body: u64,
    status: u16,
    text: &str,
) -> std::io::Result<()> {
    hand_on(&mut client, &mut tokio::io::sink(), begun, body, Deed::Pass).await?;
    let headers = "Connection: close\r\nETag: \"00\"\r\nContent-Type: application/xml";
    let length = text.len();
    let said =
        format!("HTTP/1.1 {status} Said\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{text}");
    client.write_all(said.as_bytes()).await?;
    client.shutdown().await
}
