//! A hash of all keys, which tells whether two stores hold the same without either being sent.

use std::time::Duration;

use crate::{Error, MemberClient};

impl MemberClient {
    /// The hash of the keys and values of all revisions up to this one that are not compacted. Members
    /// that hold the same give the same. The member reads its whole database for it, which takes a
    /// while, but leaves no trace in the log.
    pub async fn hash_of_keys(&self, revision: i64, limit: Duration) -> Result<u32, Error> {
        let mut client = self.etcd.maintenance_client();
        let answer = self.call("the hash of its keys", limit, client.hash_kv(revision)).await?;
        Ok(answer.hash())
    }
}
