//! Blocks of raw bytes in, gzip members out, in order.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use bytes::Bytes;
use tokio::sync::oneshot::{Receiver, error::TryRecvError};

use super::{
    packer::failed,
    workers::{Packed, Workers},
};
use crate::error::Result;

/// Raw bytes of one member. Each member starts without knowing the bytes before it: at 1 MiB that costs
/// under one percent of the size.
pub const BLOCK: usize = 1 << 20;
/// More would not be fed by one etcd, and each takes some three MiB.
const MOST_IN_FLIGHT: usize = 4;

/// Compresses what it is given on threads of its own, which let all others go first.
///
/// At most as many blocks are in work as there are processors (and never more than four): who pushes
/// faster waits, so memory stays flat. After an error it is of no more use.
#[derive(Debug)]
pub struct Compressor {
    workers: Workers,
    filling: Vec<u8>,
    in_flight: VecDeque<Receiver<Packed>>,
    spare: Vec<Vec<u8>>,
    most: usize,
    is_empty: bool,
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
            workers: Workers::new(),
            filling: Vec::new(),
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
            let room = BLOCK.saturating_sub(self.filling.len());
            self.filling.extend_from_slice(&bytes.split_to(room.min(bytes.len())));
            if self.filling.len() == BLOCK {
                self.send(&mut ready).await?;
            }
        }
        while let Some(packed) = self.packed()? {
            self.keep(packed?, &mut ready);
        }
        Ok(ready)
    }

    /// Gives the members that are left. No input at all becomes one empty member.
    pub async fn finish(mut self) -> Result<Vec<Bytes>> {
        let mut ready = Vec::new();
        if self.is_empty || !self.filling.is_empty() {
            self.send(&mut ready).await?;
        }
        while self.receive(&mut ready).await? {}
        Ok(ready)
    }

    async fn send(&mut self, ready: &mut Vec<Bytes>) -> Result<()> {
        self.is_empty = false;
        while self.in_flight.len() >= self.most {
            self.receive(ready).await?;
        }
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
        let full = std::mem::replace(&mut self.filling, next);
        let wanted = self.in_flight.len().saturating_add(1);
        self.in_flight.push_back(self.workers.begin(full, wanted)?);
        Ok(())
    }

    /// Waits for the oldest block in work; says whether there was one.
    async fn receive(&mut self, ready: &mut Vec<Bytes>) -> Result<bool> {
        let Some(oldest) = self.in_flight.pop_front() else { return Ok(false) };
        let packed = oldest.await.map_err(|error| failed(&error))?;
        self.keep(packed?, ready);
        Ok(true)
    }

    /// The oldest block in work, if it is done.
    fn packed(&mut self) -> Result<Option<Packed>> {
        let Some(oldest) = self.in_flight.front_mut() else { return Ok(None) };
        match oldest.try_recv() {
            Ok(packed) => {
                self.in_flight.pop_front();
                Ok(Some(packed))
            }
            Err(TryRecvError::Empty) => Ok(None),
            Err(ended @ TryRecvError::Closed) => Err(failed(&ended)),
        }
    }

    fn keep(&mut self, (block, member): (Vec<u8>, Bytes), ready: &mut Vec<Bytes>) {
        self.spare.push(block);
        ready.push(member);
    }
}
