//! Members of ours, decoded on threads of their own, given in order.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use tokio::{sync::oneshot, task::spawn_blocking};

use super::header::{HEADER, TRAILER, trailer};

/// Each holds a member and its raw bytes, a MiB and some more.
const MOST_IN_FLIGHT: usize = 4;
/// The most raw bytes of one member. Ours have a quarter of it; a header may say anything.
pub(super) const LONGEST_RAW: usize = 4 << 20;

type Decoded = Result<(Decompress, Bytes), String>;

/// Members that are being decoded.
#[derive(Debug, Default)]
pub(super) struct Inflation {
    in_flight: VecDeque<oneshot::Receiver<Decoded>>,
    spare: Vec<Decompress>,
}

impl Inflation {
    /// Whether another member has to wait until one comes out.
    pub(super) fn is_full(&self) -> bool {
        let processors = available_parallelism().map_or(1, NonZeroUsize::get);
        // One waits while the others are decoded, so that no thread does.
        self.in_flight.len() > processors.min(MOST_IN_FLIGHT - 1)
    }

    /// Begins to decode a member.
    pub(super) fn begin(&mut self, member: Bytes) {
        let inflate = self.spare.pop().unwrap_or_else(|| Decompress::new(false));
        let (send, decoded) = oneshot::channel();
        self.in_flight.push_back(decoded);
        // Nobody waits for it any more when the reading has failed.
        drop(spawn_blocking(move || drop(send.send(decode(inflate, &member)))));
    }

    /// The raw bytes of the oldest, or what is wrong with it; waits for them. Nothing when none is left.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, String>> {
        let decoded = self.in_flight.pop_front()?.blocking_recv();
        let decoded = decoded.unwrap_or_else(|_| Err("its decoding ended early".to_owned()));
        Some(decoded.map(|(mut inflate, raw)| {
            inflate.reset(false);
            self.spare.push(inflate);
            raw
        }))
    }
}

/// Whether the member says that its raw bytes are no more than what may be decoded at once.
pub(super) fn fits(member: &[u8]) -> bool {
    trailer(member).is_some_and(|(_, length)| length <= LONGEST_RAW)
}

fn decode(mut inflate: Decompress, member: &[u8]) -> Decoded {
    let bad = |what: &str| Err(what.to_owned());
    let deflated = member.len().checked_sub(TRAILER).and_then(|end| member.get(HEADER..end));
    let (Some(deflated), Some((crc, length))) = (deflated, trailer(member)) else {
        return bad("a member of it is too short");
    };
    // One byte more than it may have, so that a member that has more comes to its end, too.
    let mut raw = Vec::with_capacity(length.saturating_add(1));
    let status = inflate.decompress_vec(deflated, &mut raw, FlushDecompress::Finish);
    let is_whole = status.map_err(|error| error.to_string())? == Status::StreamEnd
        && usize::try_from(inflate.total_in()) == Ok(deflated.len());
    if !is_whole || raw.len() != length {
        return bad("a member of it has not the length that it says");
    }
    let mut sum = Crc::new();
    sum.update(&raw);
    if sum.sum() == crc { Ok((inflate, raw.into())) } else { bad("a CRC-32 in it is wrong") }
}
