//! A client of etcd **per member**, never balanced over several.
//!
//! The operator asks each member how it is and changes the membership through one that it chose, so
//! every call must reach the member it was meant for. Promises: each call ends within its limit of
//! [`Timeouts`]; membership for decisions is read linearizably ([`MemberClient::member_list`]); each
//! refusal of etcd is one variant of [`Error`]. Nothing is retried here: whoever calls decides from
//! fresh facts whether a second attempt is right.
//!
//! ```text
//! MemberClient ── etcd-client ──┐
//!      └── own MemberList and ──┴── one HTTP/2 connection ── one member
//!          Snapshot calls           (plain, or TLS)
//! ```

mod client;
mod connection;
mod endpoint;
mod error;
mod hash;
mod id;
mod kv;
mod member_list;
mod snapshot;
mod status;
mod tls;
mod user;

pub use client::MemberClient;
pub use endpoint::{Endpoint, Timeouts};
pub use error::Error;
pub use id::{ClusterId, MemberId};
pub use kv::KeyValue;
pub use member_list::{Member, MemberList};
pub use snapshot::{SNAPSHOT_DIGEST_BYTES, SnapshotStream};
pub use status::{Alarm, AlarmKind, MemberStatus};
pub use tls::{Tls, TlsError};
pub use user::User;
