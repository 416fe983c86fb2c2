//! A connection that ends when the other side takes nothing, or next to nothing, for too long.
//!
//! hyper limits how long a request may take to come. Nothing there limits how long an answer may take
//! to go, and a client that stopped reading, or reads a byte now and then, would hold a stream for ever.
//! Only the time counts in which a write waits: a connection at rest has its own limit.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that the other side must take for each span of patience: with a minute, 1 KiB a second.
const LEAST: usize = 60 << 10;

/// A stream whose writes must go on.
pub(super) struct Impatient<S> {
    stream: S,
    patience: Duration,
    /// Bytes that were taken since the time was counted from nothing.
    taken: usize,
    /// For how long writes have waited since then, without the one that waits now.
    waited: Duration,
    /// Since when a write waits, and when that is too long.
    wait: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Impatient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, taken: 0, waited: Duration::ZERO, wait: None }
    }

    /// A write of which so many bytes were taken, if it does not wait.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(done) = write else { return self.waits(context) };
        if let Some((since, _)) = self.wait.take() {
            self.waited += since.elapsed();
        }
        self.taken = self.taken.saturating_add(done.as_ref().map_or(0, taken));
        if self.taken >= LEAST {
            (self.taken, self.waited) = (0, Duration::ZERO);
        }
        Poll::Ready(done)
    }

    fn waits<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let left = self.patience.saturating_sub(self.waited);
        let (_, end) = self.wait.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        match end.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, write, |taken| *taken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flush, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shutdown, |()| 0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, write, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// What becomes of a megabyte of which the reader takes so much at a time, with such pauses.
    async fn written(piece: usize, pause: Duration) -> io::Result<()> {
        let (writer, mut reader): (_, DuplexStream) = duplex(4096);
        let mut writer = Impatient::new(writer, MINUTE);
        let reading = tokio::spawn(async move {
            let mut bytes = vec![0; piece];
            while reader.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                tokio::time::sleep(pause).await;
            }
        });
        let written = writer.write_all(&vec![7; 1 << 20]).await;
        drop(writer);
        reading.abort();
        written
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_waited_for() {
        written(4096, Duration::from_secs(3)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_a_byte_now_and_then_is_not() {
        for (piece, pause) in [(1, 1), (100, 2), (4096, 59)] {
            let ended = written(piece, Duration::from_secs(pause)).await.unwrap_err();
            assert_eq!(ended.kind(), io::ErrorKind::TimedOut, "{piece} bytes each {pause} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_rest_does_not_wait() {
        let (writer, mut reader) = duplex(4096);
        let mut writer = Impatient::new(writer, MINUTE);
        for _ in 0..10 {
            writer.write_all(b"plums").await.unwrap();
            reader.read_exact(&mut [0; 5]).await.unwrap();
            tokio::time::sleep(MINUTE * 2).await;
        }
    }
}
