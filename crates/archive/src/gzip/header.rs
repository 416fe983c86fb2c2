//! The header of the members that we write: plain gzip that also says how long its member is.
//!
//! RFC 1952 lets a header carry fields of one's own, which every reader skips. With the length there, a
//! row of members is cut into its members without decoding any, and so it is decoded in parallel.

/// Bytes of the header.
pub(super) const HEADER: usize = 20;
/// CRC-32 and length of the raw bytes, behind each member.
pub(super) const TRAILER: usize = 8;

/// Magic, deflate, with extra fields, no time, no hint about the level, unknown system; eight bytes of
/// extra fields: ours, of four.
const START: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, b'E', b'B', 4, 0];

/// Begins a member whose length is not known yet.
pub(super) fn begin(member: &mut Vec<u8>) {
    member.extend_from_slice(&START);
    member.extend_from_slice(&[0; HEADER - START.len()]);
}

/// Ends a member: CRC-32 and length of its raw bytes, and its own length into its header.
pub(super) fn end(member: &mut Vec<u8>, crc: u32, length: u32) {
    member.extend_from_slice(&crc.to_le_bytes());
    member.extend_from_slice(&length.to_le_bytes());
    set_length(member);
}

/// Writes the length of the member, now that it is whole, into its header.
pub(super) fn set_length(member: &mut [u8]) {
    let length = u32::try_from(member.len()).unwrap_or_default();
    if let Some(field) = member.get_mut(START.len()..HEADER) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}

/// The length of the member that begins with these bytes; nothing if its header does not say it.
pub(super) fn length(header: &[u8]) -> Option<usize> {
    let field = header.strip_prefix(&START)?.first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*field)).ok()?;
    (length > HEADER + TRAILER).then_some(length)
}

/// CRC-32 and length of the raw bytes, as the end of a member says them.
pub(super) fn trailer(member: &[u8]) -> Option<(u32, usize)> {
    let (rest, length) = member.split_last_chunk()?;
    let crc = rest.last_chunk()?;
    Some((u32::from_le_bytes(*crc), usize::try_from(u32::from_le_bytes(*length)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_the_length_of_its_member() {
        let mut member = Vec::new();
        begin(&mut member);
        assert_eq!((member.len(), length(&member)), (HEADER, None));
        member.extend_from_slice(&[7; 300]);
        set_length(&mut member);
        assert_eq!(length(&member), Some(HEADER + 300));
    }

    #[test]
    fn the_header_of_another_program_says_nothing() {
        let plain = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 8, 0, b'E', b'B', 4, 0, 9, 9, 0, 0];
        assert_eq!(length(&plain), None);
        assert_eq!(length(b""), None);
    }
}
