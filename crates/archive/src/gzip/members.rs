//! A row of gzip members, cut where their headers say that they end.

use bytes::{Bytes, BytesMut};

use super::header::{self, HEADER};

/// The longest member that is kept in memory as a whole. Ours have at most a MiB of raw bytes.
const LONGEST: usize = 5 << 20;

/// What has come, cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A whole member with a header of ours.
    Member(Bytes),
    /// From here on bytes of any gzip, in pieces of any size.
    Other(Bytes),
}

/// Cuts bytes that come in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Members {
    part: BytesMut,
    /// Once a member came whose header does not say its length.
    is_other: bool,
}

impl Members {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
    }

    /// The next piece that is whole.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if !self.is_other {
            if self.part.len() < HEADER {
                return None;
            }
            match header::length(&self.part).filter(|length| *length <= LONGEST) {
                Some(length) if length <= self.part.len() => {
                    return Some(Piece::Member(self.part.split_to(length).freeze()));
                }
                Some(_) => return None,
                None => self.is_other = true,
            }
        }
        self.rest()
    }

    /// What is left when no more bytes come.
    pub(super) fn rest(&mut self) -> Option<Piece> {
        self.is_other = true;
        let rest = std::mem::take(&mut self.part).freeze();
        (!rest.is_empty()).then_some(Piece::Other(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(byte: u8, length: usize) -> Vec<u8> {
        let mut member = Vec::new();
        header::begin(&mut member);
        member.extend(vec![byte; length]);
        header::set_length(&mut member);
        member
    }

    fn cut(bytes: &[u8], piece: usize) -> Vec<Piece> {
        let (mut members, mut pieces) = (Members::default(), Vec::new());
        for bytes in bytes.chunks(piece) {
            members.push(bytes);
            pieces.extend(std::iter::from_fn(|| members.next()));
        }
        pieces.extend(members.rest());
        pieces
    }

    #[test]
    fn members_are_cut_whatever_the_pieces_are() {
        let (one, other) = (member(1, 100), member(2, 3000));
        let expected = [one.clone(), other.clone()].map(|one| Piece::Member(one.into()));
        for piece in [1, 7, 19, 119, 120, 121, 5000] {
            assert_eq!(cut(&[&one[..], &other].concat(), piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn after_a_member_of_another_kind_nothing_is_cut() {
        let (one, foreign) = (member(1, 100), [0x1f, 0x8b, 8, 0].repeat(9));
        let bytes = [&one[..], &foreign, &one].concat();
        let expected = [Piece::Member(one.into()), Piece::Other(bytes[120..].to_vec().into())];
        assert_eq!(cut(&bytes, 5000), expected);
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_left_to_a_reader_of_any_gzip() {
        let short = member(1, 100)[..119].to_vec();
        assert_eq!(cut(&short, 50), [Piece::Other(short.into())]);
        let long = member(1, LONGEST);
        assert_eq!(cut(&long, long.len()), [Piece::Other(long.into())]);
    }
}
