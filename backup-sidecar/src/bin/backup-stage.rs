//! One stage of a backup alone, for the benchmark: what the whole is compared with.
//!
//! `backup-stage stream ETCD-URL [MB/S]` | `backup-stage check FILE` | `backup-stage gzip FILE` | `backup-stage upload FILE STORE-URL`

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use archive::{gzip::Compressor, location::Location, store::Patience};
use bytes::Bytes;
use etcd::{Endpoint, MemberClient, Timeouts};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncReadExt, time::Instant};

/// As etcd sends it.
const PIECE: usize = 32 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    telemetry::install_crypto_provider()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["stream", url] => Box::pin(stream(url, None)).await,
        ["stream", url, rate] => Box::pin(stream(url, Some(rate.parse()?))).await,
        ["check", file] => check(Path::new(file)).await,
        ["gzip", file] => gzip(Path::new(file)).await,
        ["upload", file, store] => upload(Path::new(file), store).await,
        _ => bail!("give one of: stream URL, check FILE, gzip FILE, upload FILE STORE"),
    }
}

/// etcd sends, nobody looks; at most so many MB in a second are taken.
async fn stream(url: &str, rate: Option<u64>) -> Result<()> {
    let endpoint = Endpoint { url: url.to_owned(), server_name: None };
    let client = MemberClient::connect(&endpoint, &Timeouts::default()).await?;
    let mut stream = client.snapshot(Duration::from_secs(30)).await?;
    let (start, mut bytes) = (Instant::now(), 0_u64);
    while let Some(piece) = stream.next().await? {
        bytes += u64::try_from(piece.len())?;
        if let Some(rate) = rate {
            tokio::time::sleep_until(start + Duration::from_micros(bytes / rate.max(1))).await;
        }
    }
    Ok(())
}

/// Digest and structure.
async fn check(file: &Path) -> Result<()> {
    let mut checker = snapshot::Checker::new();
    pieces(file, async |piece| Ok(checker.push(&piece)?)).await?;
    println!("revision {}", checker.finish()?.contents.revision);
    Ok(())
}

/// Compression and the digest of what comes out.
async fn gzip(file: &Path) -> Result<()> {
    let processors = std::thread::available_parallelism()?.get();
    let (mut compressor, mut digest) = (Compressor::new(processors), Sha256::new());
    pieces(file, async |piece| {
        compressor.push(piece).await?.iter().for_each(|member| digest.update(member));
        Ok(())
    })
    .await?;
    compressor.finish().await?.iter().for_each(|member| digest.update(member));
    Ok(())
}

/// A finished file into the store.
async fn upload(file: &Path, store: &str) -> Result<()> {
    let store = store.parse::<Location>()?.open(Patience::default()).await?;
    let key = format!("v1/bench/{:016x}", fastrand::u64(..)).parse()?;
    let mut upload = store.begin_upload(&key, None).await?;
    pieces(file, async |piece| Ok(upload.write(piece).await?)).await?;
    upload.finish().await?;
    store.delete(&key).await?;
    Ok(())
}

async fn pieces(file: &Path, mut take: impl AsyncFnMut(Bytes) -> Result<()>) -> Result<()> {
    let mut file = tokio::fs::File::open(file).await.context("opening the file")?;
    loop {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await.context("reading the file")?;
        if length == 0 {
            return Ok(());
        }
        piece.truncate(length);
        take(piece.into()).await?;
    }
}
