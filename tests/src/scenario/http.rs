//! Asking a pod over plain HTTP.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(10);

/// Status code and body of `GET path` at `address` (`IP:port`).
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let answer = tokio::time::timeout(LIMIT, ask(address, path)).await;
    let answer = answer.with_context(|| format!("{address}{path}: no answer in {LIMIT:?}"))??;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
    let code = head.split(' ').nth(1).context("the answer has no status")?;
    Ok((code.parse()?, body.to_owned()))
}

/// HTTP/1.0, so that the answer ends with the connection. Who can answer in JSON shall.
async fn ask(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
    let question =
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
