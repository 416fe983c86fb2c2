//! gzip in, raw bytes out, on several processors where the members allow it.
//!
//! ```text
//! bytes ─> members ─┬─ ours ──> inflation (threads, a member each) ─┬─> sink
//!                   └─ other ─> decoder (here, as it comes) ────────┘
//! ```

use bytes::Bytes;

use super::{
    decoder::{Chunks, Decoder, broken},
    inflation::{self, Inflation},
    members::{Members, Piece},
};
use crate::error::Result;

/// Decodes gzip as [`Decoder`] does and promises the same, but members whose headers say how long they
/// are, as those of [`Compressor`](super::Compressor) do, in parallel. It waits for them without
/// yielding: keep it off the threads of async tasks, but inside of a tokio runtime.
pub struct Unpacker<S: FnMut(Bytes) -> Result<()>> {
    what: String,
    members: Members,
    inflation: Inflation,
    out: Out<S>,
}

/// Where the raw bytes come from: members of ours, or from some point on anything else.
enum Out<S: FnMut(Bytes) -> Result<()>> {
    Members(Chunks<S>, bool),
    Other(Box<Decoder<S>>),
    /// Between the two, and after an error.
    Nowhere,
}

impl<S: FnMut(Bytes) -> Result<()>> Unpacker<S> {
    /// For gzip of at most `limit` raw bytes. `what` names it in errors. An error of `sink` ends the
    /// decoding and is given as it is.
    pub fn new(what: &str, limit: u64, sink: S) -> Self {
        Self {
            what: what.to_owned(),
            members: Members::default(),
            inflation: Inflation::default(),
            out: Out::Members(Chunks::new(what, limit, sink), false),
        }
    }

    /// Decodes the next bytes. After an error it is of no more use.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.members.push(bytes);
        while let Some(piece) = self.members.next() {
            self.take(piece)?;
        }
        Ok(())
    }

    /// Says that no more bytes come, and hands the rest to the sink.
    pub fn finish(mut self) -> Result<()> {
        if let Some(rest) = self.members.rest() {
            self.take(rest)?;
        }
        self.drain()?;
        match self.out {
            Out::Other(decoder) => decoder.finish(),
            Out::Members(_, true) => Ok(()),
            Out::Members(..) | Out::Nowhere => Err(broken(&self.what, "it is empty")),
        }
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        match piece {
            Piece::Member(member) if inflation::fits(&member) && !self.is_other() => {
                while self.inflation.is_full() {
                    self.one()?;
                }
                self.inflation.begin(member);
                Ok(())
            }
            Piece::Member(bytes) | Piece::Other(bytes) => self.other()?.push(&bytes),
        }
    }

    fn is_other(&self) -> bool {
        matches!(self.out, Out::Other(_))
    }

    /// The decoder of what is not ours. All that came before goes to the sink first.
    fn other(&mut self) -> Result<&mut Decoder<S>> {
        self.drain()?;
        self.out = match std::mem::replace(&mut self.out, Out::Nowhere) {
            Out::Members(chunks, _) => Out::Other(Box::new(Decoder::into(&self.what, chunks))),
            out => out,
        };
        match &mut self.out {
            Out::Other(decoder) => Ok(decoder),
            _ => Err(broken(&self.what, "its decoding had failed")),
        }
    }

    fn drain(&mut self) -> Result<()> {
        while self.one()? {}
        Ok(())
    }

    /// Hands the oldest member that is being decoded to the sink; says whether there was one.
    fn one(&mut self) -> Result<bool> {
        let Some(decoded) = self.inflation.next() else { return Ok(false) };
        let raw = decoded.map_err(|problem| broken(&self.what, problem))?;
        if let Out::Members(chunks, came) = &mut self.out {
            chunks.give(&raw)?;
            *came = true;
        }
        Ok(true)
    }
}
