//! The bytes of an object as they come, counted.
//!
//! A connection may end early without an error, and a broken store may send more than it announced. A
//! [`Reading`] ends well only after exactly the announced number of bytes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};

use crate::{
    error::{Error, Result},
    key::Key,
    store::limits::within,
};

/// A part of an object on its way from a store.
pub struct Reading {
    key: Key,
    size: u64,
    left: u64,
    idle: Duration,
    stream: BoxStream<'static, Result<Bytes>>,
}

impl Reading {
    /// A stream that has to give `length` bytes of an object that has `size`.
    pub(super) fn new(
        key: &Key,
        size: u64,
        length: u64,
        idle: Duration,
        stream: impl Stream<Item = Result<Bytes>> + Send + 'static,
    ) -> Self {
        Self { key: key.clone(), size, left: length, idle, stream: stream.boxed() }
    }

    /// The size of the whole object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes; nothing when all that were asked for have come.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let what = || format!("reading {}", self.key);
        let next = within(self.idle, what, async { self.stream.next().await.transpose() }).await?;
        match next {
            Some(bytes) => self.count(bytes).map(Some),
            None if self.left == 0 => Ok(None),
            None => Err(self.broken(&format!("{} bytes are missing", self.left))),
        }
    }

    /// All the bytes in one piece; more than `limit` are refused.
    pub async fn bytes(mut self, limit: u64) -> Result<Bytes> {
        if self.left > limit {
            let problem = format!("it has {} bytes where {limit} are the most", self.left);
            return Err(Error::damaged(&self.key, problem));
        }
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.into())
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return Err(self.broken("more bytes came than were announced")),
        }
        Ok(bytes)
    }

    fn broken(&self, how: &str) -> Error {
        Error::Unavailable(format!("the answer with {} is not whole: {how}", self.key))
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, size, left, .. } = self;
        write!(f, "Reading({key}, {left} bytes left of an object of {size})")
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn reading(pieces: &[&'static str], length: u64) -> Reading {
        let pieces: Vec<_> =
            pieces.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        let key = "v1/x".parse().unwrap();
        Reading::new(&key, 100, length, Duration::from_secs(1), stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_reading_ends_well_only_after_the_announced_length() {
        assert_eq!(reading(&["ab", "c"], 3).bytes(3).await.unwrap(), "abc");
        assert_eq!(reading(&["ab"], 3).bytes(3).await.unwrap_err().reason(), "Unavailable");
        assert_eq!(reading(&["ab", "cd"], 3).bytes(3).await.unwrap_err().reason(), "Unavailable");
    }

    #[tokio::test]
    async fn an_object_that_is_larger_than_it_can_be_is_not_read() {
        assert_eq!(reading(&["ab", "c"], 3).bytes(2).await.unwrap_err().reason(), "Damaged");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_stands_still_ends_in_a_timeout() {
        let key = "v1/x".parse().unwrap();
        let mut reading = Reading::new(&key, 3, 3, Duration::from_mins(1), stream::pending());
        assert_eq!(reading.next().await.unwrap_err().reason(), "Timeout");
    }
}
