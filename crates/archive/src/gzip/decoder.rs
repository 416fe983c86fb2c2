//! gzip members in, raw bytes out.

use std::fmt;
use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;

use crate::error::{Error, Result};

/// Bytes that are given at a time; only the last piece is shorter.
pub const CHUNK: usize = 256 << 10;

/// Decodes gzip of one or many members as it comes and hands the raw bytes to `sink`. It uses the
/// processor without pause: keep it off the threads of async tasks.
///
/// Checks each member's own size and CRC-32, and that nothing but members is there. A member that is
/// missing as a whole is for the manifest's size and digest to find.
pub struct Decoder<S: FnMut(Bytes) -> Result<()>> {
    what: String,
    inner: MultiGzDecoder<Chunks<S>>,
}

impl<S: FnMut(Bytes) -> Result<()>> Decoder<S> {
    /// For gzip of at most `limit` raw bytes: a small file may decode to an endless one. `what` names
    /// it in errors. An error of `sink` ends the decoding and is given as it is.
    pub fn new(what: &str, limit: u64, sink: S) -> Self {
        Self::into(what, Chunks::new(what, limit, sink))
    }

    /// For gzip whose raw bytes go there, behind those that went there before.
    pub(super) fn into(what: &str, chunks: Chunks<S>) -> Self {
        Self { what: what.to_owned(), inner: MultiGzDecoder::new(chunks) }
    }

    /// Decodes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.inner.write_all(bytes).map_err(|error| translate(&self.what, error))
    }

    /// Says that no more bytes come, and hands the rest to the sink.
    pub fn finish(self) -> Result<()> {
        let Self { what, inner } = self;
        let mut chunks = inner.finish().map_err(|error| translate(&what, error))?;
        chunks.hand_over()
    }
}

/// Cuts the raw bytes into chunks and counts them.
pub(super) struct Chunks<S> {
    what: String,
    limit: u64,
    left: u64,
    filling: BytesMut,
    sink: S,
}

impl<S: FnMut(Bytes) -> Result<()>> Chunks<S> {
    pub(super) fn new(what: &str, limit: u64, sink: S) -> Self {
        Self { what: what.to_owned(), left: limit, limit, filling: BytesMut::new(), sink }
    }

    /// Hands over bytes that stand behind each other already, uncopied.
    pub(super) fn give(&mut self, bytes: &Bytes) -> Result<()> {
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let chunk = rest.split_to(CHUNK.min(rest.len()));
            self.count(chunk.len())?;
            (self.sink)(chunk)?;
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        let length = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            Error::damaged(&self.what, format!("it decodes to more than {} bytes", self.limit))
        })?;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<usize> {
        let room = CHUNK.saturating_sub(self.filling.len());
        let piece = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        self.count(piece.len())?;
        if self.filling.capacity() == 0 {
            self.filling.reserve(CHUNK);
        }
        self.filling.extend_from_slice(piece);
        if self.filling.len() == CHUNK {
            self.hand_over()?;
        }
        Ok(piece.len())
    }

    fn hand_over(&mut self) -> Result<()> {
        let chunk = std::mem::take(&mut self.filling);
        if chunk.is_empty() { Ok(()) } else { (self.sink)(chunk.freeze()) }
    }
}

impl<S: FnMut(Bytes) -> Result<()>> Write for Chunks<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The sink's own errors come back through the decoder; all others are about the gzip.
fn translate(what: &str, error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(own) => own,
        Err(error) => broken(what, error),
    }
}

/// What is no gzip, or only a part of one.
pub(super) fn broken(what: &str, problem: impl fmt::Display) -> Error {
    Error::damaged(what, format!("it is no whole gzip: {problem}"))
}
