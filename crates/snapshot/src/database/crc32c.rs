//! CRC-32C (Castagnoli), which etcdutl hashes a snapshot with.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const TABLES: [[u32; 256]; 8] = tables();

/// The CRC of some bytes.
#[derive(Debug, Clone)]
pub(super) struct Crc32c(u32);

impl Default for Crc32c {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32c {
    /// Eight bytes at a time, each looked up in the table of its distance from the end.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let mixed = u64::from_le_bytes(*eight) ^ u64::from(self.0);
            self.0 = (mixed.to_le_bytes().iter().zip(TABLES.iter().rev()))
                .fold(0, |crc, (&byte, table)| crc ^ entry(table, byte));
        }
        for &byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = entry(&TABLES[0], low ^ byte) ^ (self.0 >> 8);
        }
    }

    pub(super) fn finish(&self) -> u32 {
        !self.0
    }
}

fn entry(table: &[u32; 256], byte: u8) -> u32 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// `TABLES[n][b]` is the CRC of the byte b followed by n zeros.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated while compiling, where it would be an error"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0u32;
    while byte < 256 {
        let mut crc = byte;
        let mut table = 0;
        while table < 8 {
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
                bit += 1;
            }
            let [low, ..] = byte.to_le_bytes();
            tables[table][low as usize] = crc;
            table += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 3720, appendix B.4, and the check value of the CRC catalogues.
    #[test]
    fn the_hash_is_crc32c_in_any_pieces() {
        for (bytes, expected) in [(&[0; 32][..], 0x8a91_36aa), (b"123456789", 0xe306_9283)] {
            for split in 0..bytes.len() {
                let mut crc = Crc32c::default();
                crc.update(&bytes[..split]);
                crc.update(&bytes[split..]);
                assert_eq!(crc.finish(), expected);
            }
        }
    }
}
