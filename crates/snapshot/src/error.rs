//! What can be wrong with a snapshot, named by what and where.

use std::io;

/// The result of everything that reads a snapshot.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a snapshot cannot be read or must not be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source of the bytes failed.
    #[error("cannot read at byte {offset}")]
    Read {
        /// Where it was asked for.
        offset: u64,
        /// What the source says.
        source: io::Error,
    },
    /// Fewer bytes than the smallest database has.
    #[error("it ends after {size} bytes, within the pages that describe the database")]
    TooShort {
        /// All bytes there are.
        size: u64,
    },
    /// A meta page is damaged, or this is another kind of file.
    #[error("meta page {page} cannot be used: {flaw}")]
    Meta {
        /// 0 or 1.
        page: u64,
        /// What is wrong with it.
        flaw: MetaFlaw,
    },
    /// Bytes are missing at the end, or there are too many.
    #[error("it has {found} bytes, and its meta page says that there are {expected}")]
    Size {
        /// The size that the meta page gives, with the trailing digest where one belongs.
        expected: u64,
        /// All bytes there are.
        found: u64,
    },
    /// The trailing SHA-256 is not that of the database.
    #[error("the SHA-256 at its end is not that of the bytes before it: it was damaged on its way")]
    Digest,
    /// A page that the database uses is not as it should be.
    #[error("page {page} (at byte {offset}): {flaw}")]
    Page {
        /// Its number.
        page: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A reference beyond the end.
    #[error("page {parent} refers to page {page}, which lies outside the database")]
    Outside {
        /// Where it refers to.
        page: u64,
        /// Who refers to it.
        parent: u64,
    },
    /// Two references to one page, or a cycle.
    #[error("page {page} is used twice, the second time by page {parent}")]
    Shared {
        /// Where it refers to.
        page: u64,
        /// Who refers to it.
        parent: u64,
    },
    /// A page with other keys than its parent says: an older or newer state of it, or one out of place.
    #[error("page {page} does not hold the keys that page {parent} says it holds")]
    Misplaced {
        /// The page.
        page: u64,
        /// Who refers to it.
        parent: u64,
    },
    /// More levels than a tree can have.
    #[error("the tree of pages is deeper than any that etcd writes, at page {page}")]
    TooDeep {
        /// Where it was given up.
        page: u64,
    },
    /// A bucket that etcd always has is not there.
    #[error("the bucket {0} is missing: this is no database of etcd")]
    NoBucket(&'static str),
    /// An entry of one of etcd's own buckets cannot be read.
    #[error("the entry {key} of the bucket {bucket} cannot be read")]
    Entry {
        /// The bucket.
        bucket: &'static str,
        /// The entry's key.
        key: String,
    },
    /// A structure that would take more memory than is allowed.
    #[error(
        "its structure is not one that etcd writes: page {page} takes more memory than is allowed"
    )]
    TooComplex {
        /// Where it was given up.
        page: u64,
    },
}

impl Error {
    /// A fixed word for events, conditions and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::TooShort { .. } | Self::Size { .. } => "WrongSize",
            Self::Meta { .. } => "MetaDamaged",
            Self::Digest => "DigestMismatch",
            Self::Page { .. } => "PageDamaged",
            Self::Outside { .. }
            | Self::Shared { .. }
            | Self::Misplaced { .. }
            | Self::TooDeep { .. } => "TreeDamaged",
            Self::NoBucket(_) | Self::Entry { .. } => "ContentDamaged",
            Self::TooComplex { .. } => "TooComplex",
        }
    }
}

/// What is wrong with a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetaFlaw {
    /// Another kind of file.
    #[error("it is not that of a bbolt database")]
    Magic,
    /// A bbolt that we do not know.
    #[error("it is of version {0} of bbolt's format, and only version 2 is known")]
    Version(u32),
    /// Bytes were changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// Not a power of two within reason.
    #[error("it says that pages have {0} bytes, which none have")]
    PageSize(u32),
    /// Pages that cannot be.
    #[error("the page numbers in it are out of range")]
    Range,
    /// The two metas are not of one file.
    #[error("it contradicts the other meta page")]
    Contradiction,
}

/// What is wrong with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No header, or that of another page.
    #[error("what lies there is no page of that number")]
    Absent,
    /// A page, and not one that a tree consists of.
    #[error("it is neither a branch nor a leaf")]
    Kind,
    /// It is said to go on beyond the end.
    #[error("it is said to go on beyond the end of the database")]
    Overflow,
    /// The element table is too long, or empty where it must not be.
    #[error("its {0} elements do not fit into it")]
    Count(u16),
    /// Key or value outside the page, or not where the element before it ends.
    #[error("the bytes of element {0} do not lie where they must")]
    Bounds(u16),
    /// Keys are not ascending, or one is empty.
    #[error("the key of element {0} is out of order")]
    Order(u16),
    /// A branch's element that points nowhere.
    #[error("element {0} refers to a page outside the database")]
    Child(u16),
    /// Flags that no element has.
    #[error("the flags of element {0} are of no known kind")]
    Flags(u16),
    /// In a bucket of etcd a bucket cannot be, and in the root there is nothing else.
    #[error("element {0} is a bucket where none can be, or none where one must be")]
    Misfit(u16),
    /// A bucket's value is too short, or its inline page is wrong.
    #[error("the bucket in element {0} cannot be read")]
    Bucket(u16),
    /// A key that is no revision, or a value that is no record.
    #[error("element {0} is no revision of a key")]
    Record(u16),
}
