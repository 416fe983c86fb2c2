//! Asking a pod over plain HTTP.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(10);

/// Between head and body of an answer.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Status code and body of `GET path` at `address` (`IP:port`).
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let (code, body) = call("GET", address, path, &[]).await?;
    Ok((code, String::from_utf8(body).context("the answer is no text")?))
}

/// Status code and body of any request.
pub(super) async fn call(
    method: &str,
    address: &str,
    path: &str,
    body: &[u8],
) -> Result<(u16, Vec<u8>)> {
    let answer = tokio::time::timeout(LIMIT, ask(method, address, path, body)).await;
    let answer = answer.with_context(|| format!("{address}{path}: no answer in {LIMIT:?}"))??;
    let end = answer.windows(END_OF_HEAD.len()).position(|bytes| bytes == END_OF_HEAD);
    let (head, rest) = answer.split_at_checked(end.unwrap_or_default()).unwrap_or_default();
    let head = std::str::from_utf8(head).context("the answer's head is no text")?;
    let code = head.split(' ').nth(1).context("the answer is no HTTP")?;
    Ok((code.parse()?, rest.get(END_OF_HEAD.len()..).unwrap_or_default().to_vec()))
}

/// HTTP/1.0, so that the answer ends with the connection. Who can answer in JSON shall.
async fn ask(method: &str, address: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
