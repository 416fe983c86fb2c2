//! etcd's snapshot file: read without trusting a byte of it.
//!
//! A snapshot is the file of a bbolt database, followed by the SHA-256 of all its bytes:
//!
//! ```text
//! page 0, 1   meta: page size, number of pages, root page, transaction
//! page 2 …    branches and leaves of B+ trees, and pages that are free: what they hold is of the past
//! 32 bytes    SHA-256
//!
//! root ──▶ alarm, auth, authRoles, authUsers, cluster, lease, members, members_removed, meta
//!      └─▶ key: every revision of every key that no compaction has removed
//! ```
//!
//! The root's entries are buckets. Each is a tree of its own, or a single leaf within the root's, as long
//! as it is small. [`Checker`] needs the bytes once and in order, [`Database`] reads where it must. Neither
//! panics on any bytes, uses the network or a clock. No key, value or password is ever in an error.
//!
//! Sources: bbolt's `internal/common`, `tx.go` and `tx_check.go`; etcd's `server/storage/schema` and
//! `server/storage/mvcc`; `etcdutl/snapshot/v3_snapshot.go` for what its status means.

mod checker;
mod contents;
mod database;
mod error;
mod facts;
mod layout;
mod meta;
mod revision;
mod source;
mod varint;

pub use checker::{Checked, Checker};
pub use contents::{Contents, Member};
pub use database::{Database, Record, Status};
pub use error::{Error, Flaw, MetaFlaw, Result};
pub use source::ReadAt;
