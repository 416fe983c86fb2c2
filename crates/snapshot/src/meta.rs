//! The two meta pages: where everything begins.
//!
//! ```text
//! page header | magic u32 | version u32 | page size u32 | flags u32 | root page u64 | sequence u64
//!             | freelist u64 | number of pages u64 | transaction u64 | FNV-1a of these 56 bytes u64
//! ```
//!
//! Every transaction overwrites the older one. In a stream both come first and differ by one transaction
//! only: etcd writes them for it (`Tx.WriteTo`). Source: bbolt's `internal/common/meta.go`.

use crate::{
    MetaFlaw,
    layout::{HEADER, Header, META, u32_at, u64_at},
};

/// The bytes of a page that are needed to read its meta.
pub(crate) const META_BYTES: usize = HEADER + 64;
const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// etcd writes no list of free pages; this stands in its place.
const NO_FREELIST: u64 = u64::MAX;
/// bbolt takes the system's page size. 64 KiB is the largest in use.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 1024..=65536;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) page_size: u32,
    pub(crate) root: u32,
    pub(crate) freelist: Option<u32>,
    /// The number of pages.
    pub(crate) pages: u32,
    pub(crate) transaction: u64,
}

impl Meta {
    /// Reads the meta from the beginning of page `id`.
    pub(crate) fn of(page: &[u8], id: u64) -> Result<Self, MetaFlaw> {
        Self::parse(page, id).unwrap_or(Err(MetaFlaw::Magic))
    }

    fn parse(page: &[u8], id: u64) -> Option<Result<Self, MetaFlaw>> {
        let header = Header::of(page)?;
        let bytes = page.get(HEADER..META_BYTES)?;
        if u32_at(bytes, 0)? != MAGIC {
            return Some(Err(MetaFlaw::Magic));
        }
        if u32_at(bytes, 4)? != VERSION {
            return Some(Err(MetaFlaw::Version(u32_at(bytes, 4)?)));
        }
        if u64_at(bytes, 56)? != fnv1a(bytes.get(..56)?) {
            return Some(Err(MetaFlaw::Checksum));
        }
        let page_size = u32_at(bytes, 8)?;
        if !PAGE_SIZES.contains(&page_size) || !page_size.is_power_of_two() {
            return Some(Err(MetaFlaw::PageSize(page_size)));
        }
        if header.id != id || header.flags != META {
            return Some(Err(MetaFlaw::Range));
        }
        Some(Self::ranged(bytes, page_size).ok_or(MetaFlaw::Range))
    }

    fn ranged(bytes: &[u8], page_size: u32) -> Option<Self> {
        let pages = u32::try_from(u64_at(bytes, 40)?).ok()?;
        let within = |page: u64| u32::try_from(page).ok().filter(|page| (2..pages).contains(page));
        let root = within(u64_at(bytes, 16)?)?;
        let freelist = match u64_at(bytes, 32)? {
            NO_FREELIST => None,
            page => Some(within(page)?),
        };
        Some(Self { page_size, root, freelist, pages, transaction: u64_at(bytes, 48)? })
    }

    /// The size of the database without the trailing digest.
    pub(crate) fn size(&self) -> u64 {
        u64::from(self.pages) * u64::from(self.page_size)
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the FNV authors' test vectors.
    #[test]
    fn the_checksum_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
