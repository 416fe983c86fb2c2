//! Cuts what is written into parts.

use bytes::{Bytes, BytesMut};

/// Bytes on their way to a full part. The memory of a part is taken with its first byte and given back
/// when nobody holds the part any more.
#[derive(Debug, Default)]
pub(super) struct Parts {
    filling: BytesMut,
}

impl Parts {
    /// Takes from `bytes` until the part has `size` bytes, and gives it when it has.
    pub(super) fn fill(&mut self, bytes: &mut Bytes, size: usize) -> Option<Bytes> {
        if self.filling.capacity() == 0 {
            self.filling = BytesMut::with_capacity(size);
        }
        let room = size.saturating_sub(self.filling.len());
        let piece = bytes.split_to(room.min(bytes.len()));
        self.filling.extend_from_slice(&piece);
        (self.filling.len() >= size).then(|| self.rest())
    }

    /// What has not become a full part.
    pub(super) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.filling).freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_full_and_in_order_and_nothing_is_lost() {
        let whole: Vec<u8> = (0..=255).collect();
        for piece in [1, 3, 7, 8, 20, 256] {
            let mut parts = Parts::default();
            let mut got = Vec::new();
            for chunk in whole.chunks(piece) {
                let mut bytes = Bytes::copy_from_slice(chunk);
                while !bytes.is_empty() {
                    if let Some(part) = parts.fill(&mut bytes, 7) {
                        assert_eq!(part.len(), 7);
                        got.extend_from_slice(&part);
                    }
                }
            }
            got.extend_from_slice(&parts.rest());
            assert_eq!(got, whole, "in pieces of {piece}");
        }
    }
}
