//! etcd's snapshot file: read without trusting a byte of it.

mod checker;
mod contents;
mod database;
mod error;
mod source;

pub use checker::{Checked, Checker};
pub use contents::{Contents, Member};
pub use database::{Database, Record, Status};
pub use error::{Error, Flaw, MetaFlaw, Result};
pub use source::ReadAt;
