//! Reading and writing keys through one member.

use etcd_client::GetOptions;

use crate::{Error, MemberClient};

/// Keys per request of [`MemberClient::get_prefix`].
const PAGE: i64 = 64;

/// The largest answer that is taken. etcd refuses requests over 1.5 MiB by default, so a page of the
/// largest values fits; gRPC's own default of 4 MiB does not hold three of them.
const LARGEST_ANSWER: usize = 128 * 1024 * 1024;

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// The revision that made it.
    pub create_revision: i64,
    /// The revision that last changed it.
    pub mod_revision: i64,
    /// How often it was written since it was made.
    pub version: i64,
    /// The lease that it goes with; 0 without one.
    pub lease: i64,
}

impl MemberClient {
    /// Writes a key and returns the revision that did it. When this returns, the majority holds it.
    pub async fn put(&self, key: &[u8], value: &[u8]) -> Result<i64, Error> {
        let mut client = self.etcd.kv_client();
        let answer = self.call("put", self.timeouts.kv, client.put(key, value, None)).await?;
        Ok(answer.header().map_or(0, etcd_client::ResponseHeader::revision))
    }

    /// Reads a key linearizably; `None` if it does not exist.
    pub async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, Error> {
        Ok(self.read_keys(key, GetOptions::new()).await?.0.pop())
    }

    /// Reads all keys that begin with `prefix`, in order and at one revision, page by page. All of
    /// them are held in memory.
    pub async fn get_prefix(&self, prefix: &[u8]) -> Result<Vec<KeyValue>, Error> {
        self.get_prefix_at(prefix, 0).await
    }

    /// As [`Self::get_prefix`], as they were at a revision that is not compacted yet; 0 is now.
    pub async fn get_prefix_at(
        &self,
        prefix: &[u8],
        mut revision: i64,
    ) -> Result<Vec<KeyValue>, Error> {
        let end = end_of_prefix(prefix);
        let (mut all, mut from) = (Vec::new(), prefix.to_vec());
        if from.is_empty() {
            // etcd refuses an empty key; a single zero byte is the first one there can be.
            from.push(0);
        }
        loop {
            let page =
                GetOptions::new().with_range(end.clone()).with_limit(PAGE).with_revision(revision);
            let (mut keys, read_at) = self.read_keys(&from, page).await?;
            let Some(last) = keys.last() else { return Ok(all) };
            from.clone_from(&last.key);
            from.push(0);
            revision = if revision == 0 { read_at } else { revision };
            all.append(&mut keys);
        }
    }

    /// Deletes a key; whether there was one.
    pub async fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        let mut client = self.etcd.kv_client();
        let answer = self.call("delete", self.timeouts.kv, client.delete(key, None)).await?;
        Ok(answer.deleted() > 0)
    }

    /// The keys of one request and the store's revision at that time.
    async fn read_keys(
        &self,
        key: &[u8],
        options: GetOptions,
    ) -> Result<(Vec<KeyValue>, i64), Error> {
        let mut client = self.etcd.kv_client().max_decoding_message_size(LARGEST_ANSWER);
        let mut answer = self.call("get", self.timeouts.kv, client.get(key, Some(options))).await?;
        let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        let keys = answer.take_kvs().into_iter().map(|kv| {
            let (create_revision, mod_revision) = (kv.create_revision(), kv.mod_revision());
            let (version, lease) = (kv.version(), kv.lease());
            let (key, value) = kv.into_key_value();
            KeyValue { key, value, create_revision, mod_revision, version, lease }
        });
        Ok((keys.collect(), revision))
    }
}

/// The first key after all that begin with `prefix`; a zero byte means "no end" to etcd.
fn end_of_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_does_not_have_it() {
        assert_eq!(end_of_prefix(b"/a"), b"/b");
        assert_eq!(end_of_prefix(b"a\xff\xff"), b"b");
        assert_eq!(end_of_prefix(b"\xff"), [0]);
        assert_eq!(end_of_prefix(b""), [0]);
    }
}
