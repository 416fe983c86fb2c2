//! Blocks of raw bytes in, gzip members out, in order.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use tokio::task::{JoinHandle, spawn_blocking};

use super::header;
use crate::error::{Error, Result};

/// Raw bytes of one member. Each member starts without knowing the bytes before it: at 1 MiB that costs
/// under one percent of the size.
pub const BLOCK: usize = 1 << 20;
/// zlib's default. 3 is faster by a tenth to a quarter and 1 to 25 % larger, by the data; 2 by a third and
/// 3 % or more; 1 is twice as fast and a third larger. Higher ones are slower and not smaller here.
const LEVEL: Compression = Compression::new(6);
/// More would not be fed by one etcd, and each takes some three MiB.
const MOST_IN_FLIGHT: usize = 4;

/// Compresses what it is given on threads for blocking work.
///
/// At most as many blocks are in work as there are processors (and never more than four): who pushes
/// faster waits, so memory stays flat. After an error it is of no more use.
#[derive(Debug)]
pub struct Compressor {
    filling: Block,
    in_flight: VecDeque<JoinHandle<Result<(Block, Bytes)>>>,
    spare: Vec<Block>,
    most: usize,
    is_empty: bool,
}

/// A block's buffer and the state of its compression, used again and again.
struct Block {
    raw: Vec<u8>,
    deflate: Compress,
}

impl Default for Compressor {
    fn default() -> Self {
        Self::new(available_parallelism().map_or(1, NonZeroUsize::get))
    }
}

impl Compressor {
    /// With at most this many blocks in work.
    pub fn new(parallel: usize) -> Self {
        Self {
            filling: Block::new(),
            in_flight: VecDeque::new(),
            spare: Vec::new(),
            most: parallel.clamp(1, MOST_IN_FLIGHT),
            is_empty: true,
        }
    }

    /// Takes the next raw bytes and gives the members that are ready by now.
    pub async fn push(&mut self, mut bytes: Bytes) -> Result<Vec<Bytes>> {
        let mut ready = Vec::new();
        while !bytes.is_empty() {
            let room = BLOCK.saturating_sub(self.filling.raw.len());
            let piece = bytes.split_to(room.min(bytes.len()));
            self.filling.raw.extend_from_slice(&piece);
            self.is_empty = false;
            if self.filling.raw.len() == BLOCK {
                self.send(&mut ready).await?;
            }
        }
        while self.in_flight.front().is_some_and(JoinHandle::is_finished) {
            self.receive(&mut ready).await?;
        }
        Ok(ready)
    }

    /// Gives the members that are left. No input at all becomes one empty member.
    pub async fn finish(mut self) -> Result<Vec<Bytes>> {
        let mut ready = Vec::new();
        if self.is_empty || !self.filling.raw.is_empty() {
            self.send(&mut ready).await?;
        }
        while !self.in_flight.is_empty() {
            self.receive(&mut ready).await?;
        }
        Ok(ready)
    }

    async fn send(&mut self, ready: &mut Vec<Bytes>) -> Result<()> {
        while self.in_flight.len() >= self.most {
            self.receive(ready).await?;
        }
        let next = self.spare.pop().unwrap_or_else(Block::new);
        let full = std::mem::replace(&mut self.filling, next);
        self.in_flight.push_back(spawn_blocking(move || full.compress()));
        Ok(())
    }

    /// Waits for the oldest block in work.
    async fn receive(&mut self, ready: &mut Vec<Bytes>) -> Result<()> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(()) };
        let (block, member) = oldest.await.map_err(|error| failed(&error))??;
        self.spare.push(block);
        ready.push(member);
        Ok(())
    }
}

impl Block {
    fn new() -> Self {
        Self { raw: Vec::with_capacity(BLOCK), deflate: Compress::new(LEVEL, false) }
    }

    fn compress(mut self) -> Result<(Self, Bytes)> {
        let mut member = Vec::with_capacity(self.raw.len() / 2 + 64);
        header::begin(&mut member);
        self.deflate(&mut member)?;
        let mut crc = Crc::new();
        crc.update(&self.raw);
        member.extend_from_slice(&crc.sum().to_le_bytes());
        member.extend_from_slice(&crc.amount().to_le_bytes());
        header::set_length(&mut member);
        self.deflate.reset();
        self.raw.clear();
        Ok((self, member.into()))
    }

    fn deflate(&mut self, member: &mut Vec<u8>) -> Result<()> {
        loop {
            let done = usize::try_from(self.deflate.total_in()).unwrap_or(usize::MAX);
            let rest = self.raw.get(done..).unwrap_or_default();
            let status = self.deflate.compress_vec(rest, member, FlushCompress::Finish);
            match status.map_err(|error| failed(&error))? {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError => member.reserve(BLOCK / 4),
            }
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} bytes)", self.raw.len())
    }
}

fn failed(error: &dyn ToString) -> Error {
    Error::Other { what: "compressing".to_owned(), detail: error.to_string() }
}
