//! A block of raw bytes into a gzip member, by the quicker of two levels where that costs little.
//!
//! libdeflate's level 1 is two to three times as fast as zlib at its level 6, and what it leaves is by
//! the data as small as that of `gzip -6` or a fifth larger. So from time to time a block is compressed
//! by both, and the outcome counts for those that follow.

use std::fmt;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use flate2::Crc;
use libdeflater::{CompressionLvl, Compressor};

use super::{
    compressor::BLOCK,
    header::{self, HEADER, TRAILER},
};
use crate::error::{Error, Result};

/// Seen on a database like that of a control plane: 354 MB/s, 24.8 % left, where zlib-rs at 6 has
/// 181 MB/s and 24.5 %, and `gzip -6` leaves 24.7 %.
const QUICK: i32 = 1;
/// Smaller than `gzip -6` by two percent on most data, at about zlib-rs's speed.
const SMALL: i32 = 6;
/// One block of so many is compressed twice: it costs a few percent of the time.
const SAMPLES: u64 = 64;
/// The quick level may cost a 24th of the size, so that it stays within two percent of `gzip -6`.
const TOLERATED: usize = 24;

/// What the last sample said, for all threads of one backup.
#[derive(Debug, Default)]
pub(super) struct Levels {
    blocks: AtomicU64,
    is_quick_enough: AtomicBool,
}

/// One thread's compressors and the room that they need.
pub(super) struct Packer {
    levels: Arc<Levels>,
    quick: Compressor,
    /// Made when it is needed first.
    small: Option<Compressor>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new(levels: Arc<Levels>) -> Result<Self> {
        Ok(Self { levels, quick: compressor(QUICK)?, small: None, packed: Vec::new() })
    }

    /// The member of these raw bytes, which are at most a block.
    pub(super) fn pack(&mut self, raw: &[u8]) -> Result<Bytes> {
        let number = self.levels.blocks.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(SAMPLES) {
            let quick = self.quick(raw)?;
            let small = self.small(raw)?;
            let tolerable = small.len().saturating_add(small.len() / TOLERATED);
            self.levels.is_quick_enough.store(quick.len() <= tolerable, Ordering::Relaxed);
            return Ok(if quick.len() < small.len() { quick } else { small });
        }
        if self.levels.is_quick_enough.load(Ordering::Relaxed) {
            self.quick(raw)
        } else {
            self.small(raw)
        }
    }

    fn quick(&mut self, raw: &[u8]) -> Result<Bytes> {
        member(&mut self.quick, &mut self.packed, raw)
    }

    fn small(&mut self, raw: &[u8]) -> Result<Bytes> {
        let small = match &mut self.small {
            Some(small) => small,
            none => none.insert(compressor(SMALL)?),
        };
        member(small, &mut self.packed, raw)
    }
}

fn compressor(level: i32) -> Result<Compressor> {
    let level = CompressionLvl::new(level).map_err(|error| failed(&format!("{error:?}")))?;
    Ok(Compressor::new(level))
}

fn member(deflate: &mut Compressor, packed: &mut Vec<u8>, raw: &[u8]) -> Result<Bytes> {
    packed.resize(deflate.deflate_compress_bound(raw.len().max(BLOCK)), 0);
    let length = deflate.deflate_compress(raw, packed).map_err(|error| failed(&error))?;
    let packed = packed.get(..length).unwrap_or_default();
    // As large as it is, and not as its bound: some of them wait for the store.
    let mut member = Vec::with_capacity(HEADER.saturating_add(length).saturating_add(TRAILER));
    header::begin(&mut member);
    member.extend_from_slice(packed);
    let mut crc = Crc::new();
    crc.update(raw);
    header::end(&mut member, crc.sum(), crc.amount());
    Ok(member.into())
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packer({:?})", self.levels)
    }
}

/// What went wrong while compressing, which is not the data's fault.
pub(super) fn failed(error: &dyn ToString) -> Error {
    Error::Other { what: "compressing".to_owned(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    /// Without order: no level makes anything of it.
    fn noise(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(7);
        (0..length).map(|_| random.u8(..)).collect()
    }

    fn packer() -> (Arc<Levels>, Packer) {
        let levels = Arc::new(Levels::default());
        (levels.clone(), Packer::new(levels).unwrap())
    }

    #[test]
    fn what_the_quick_level_makes_nearly_as_small_is_left_to_it() {
        let (levels, mut packer) = packer();
        packer.pack(&noise(BLOCK)).unwrap();
        assert!(levels.is_quick_enough.load(Ordering::Relaxed));
        let raw = text(BLOCK);
        assert_eq!(packer.pack(&raw).unwrap(), packer.quick(&raw).unwrap());
    }

    #[test]
    fn what_the_quick_level_makes_much_larger_is_not_left_to_it() {
        let (levels, mut packer) = packer();
        let raw = text(BLOCK);
        for _ in 0..2 {
            assert_eq!(packer.pack(&raw).unwrap(), packer.small(&raw).unwrap());
            assert!(!levels.is_quick_enough.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn a_change_of_the_data_is_noticed() {
        let (levels, mut packer) = packer();
        let (noise, text) = (noise(10_000), text(10_000));
        for _ in 0..SAMPLES {
            packer.pack(&noise).unwrap();
        }
        assert!(levels.is_quick_enough.load(Ordering::Relaxed));
        packer.pack(&text).unwrap();
        assert!(!levels.is_quick_enough.load(Ordering::Relaxed));
    }
}
