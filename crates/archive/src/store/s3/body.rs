//! The body of a put or a part: sent in small pieces, so that it is seen whether it moves.
//!
//! No time limit on the whole: a slow line may take as long as it does. One that stands still is given
//! up. The SDK's own limits know only the whole call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    error::{Error, Result},
    store::Moved,
};

/// What is handed to the connection at a time.
const PIECE: usize = 64 << 10;

/// What was handed to the connection: of this body, and of all those of its upload.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    own: Moved,
    all: Moved,
}

impl Sent {
    /// Nothing so far.
    pub(super) fn counted_by(all: &Moved) -> Self {
        Self { own: Moved::default(), all: all.clone() }
    }

    /// A body of these bytes, sent anew for each attempt.
    pub(super) fn body(&self, bytes: &Bytes) -> ByteStream {
        let (bytes, sent) = (bytes.clone(), self.clone());
        let body = SdkBody::retryable(move || {
            SdkBody::from_body_1_x(Pieces { left: bytes.clone(), sent: sent.clone() })
        });
        ByteStream::new(body)
    }

    /// Ends a call during which nothing was handed on for as long as `idle`.
    pub(super) async fn while_moving<T>(
        &self,
        idle: Duration,
        what: impl Fn() -> String,
        call: impl Future<Output = T>,
    ) -> Result<T> {
        let mut call = pin!(call);
        let mut seen = self.own.count();
        loop {
            if let Ok(answer) = tokio::time::timeout(idle, call.as_mut()).await {
                return Ok(answer);
            }
            let now = self.own.count();
            if now == seen {
                return Err(Error::Timeout(format!("{} (nothing moved for {idle:?})", what())));
            }
            seen = now;
        }
    }
}

struct Pieces {
    left: Bytes,
    sent: Sent,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = PIECE.min(self.left.len());
        let piece = self.left.split_to(length);
        self.sent.own.add(length);
        self.sent.all.add(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.left.len()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_sent_whole_and_counted() {
        let all = Moved::default();
        for times in 1..3 {
            let (sent, bytes) = (Sent::counted_by(&all), Bytes::from(vec![7; PIECE * 2 + 1]));
            let length = sent.body(&bytes).collect().await.unwrap().into_bytes().len();
            let count = u64::try_from(length).unwrap();
            assert_eq!((length, sent.own.count()), (bytes.len(), count));
            assert_eq!(all.count(), times * count);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_moves_may_take_long_and_one_that_does_not_may_not() {
        let (sent, idle) = (Sent::default(), Duration::from_mins(1));
        let slow = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                sent.own.add(1);
            }
        };
        sent.while_moving(idle, String::new, slow).await.unwrap();
        let still = sent.while_moving(idle, String::new, std::future::pending::<()>());
        assert_eq!(still.await.unwrap_err().reason(), "Timeout");
    }
}
