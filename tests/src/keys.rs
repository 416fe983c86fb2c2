//! Keys of a cluster before and after its data came back, compared with everything that etcd says of each:
//! value, create and mod revision, version, lease.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use etcd::{KeyValue, MemberClient};

/// Writes keys of every kind below `prefix`: written once, several times, deleted, deleted and made anew.
pub async fn fill(client: &MemberClient, prefix: &str) -> Result<()> {
    let key = |number: u32| format!("{prefix}{number:04}").into_bytes();
    for number in 0..100_u32 {
        client.put(&key(number), &number.to_be_bytes()).await?;
    }
    for round in 0..3_u32 {
        client.put(&key(7), &round.to_be_bytes()).await?;
    }
    client.delete(&key(8)).await?;
    client.delete(&key(9)).await?;
    client.put(&key(9), b"again").await?;
    Ok(())
}

/// Every key is there as it was, and no other is.
pub fn same(before: &[KeyValue], after: &[KeyValue]) -> Result<()> {
    kept(before, after)?;
    let were: HashMap<&[u8], &KeyValue> = by_key(before);
    let new = after.iter().find(|key| !were.contains_key(key.key.as_slice()));
    ensure!(
        new.is_none(),
        "there is a key that was not there: {}",
        new.map_or_else(String::new, told)
    );
    Ok(())
}

/// Every key is there as it was; there may be others.
pub fn kept(before: &[KeyValue], after: &[KeyValue]) -> Result<()> {
    let are = by_key(after);
    for was in before {
        let is = are.get(was.key.as_slice()).with_context(|| format!("{} is gone", told(was)))?;
        ensure!(was == *is, "{} became {}", told(was), told(is));
    }
    Ok(())
}

fn by_key(keys: &[KeyValue]) -> HashMap<&[u8], &KeyValue> {
    keys.iter().map(|key| (key.key.as_slice(), key)).collect()
}

/// A key for people.
fn told(key: &KeyValue) -> String {
    format!(
        "{} = {:?} (created at {}, changed at {}, version {}, lease {:x})",
        String::from_utf8_lossy(&key.key),
        String::from_utf8_lossy(&key.value),
        key.create_revision,
        key.mod_revision,
        key.version,
        key.lease
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> KeyValue {
        let value = b"red".to_vec();
        let key = name.as_bytes().to_vec();
        KeyValue { key, value, create_revision: 4, mod_revision: 6, version: 2, lease: 255 }
    }

    #[test]
    fn each_thing_that_etcd_says_of_a_key_counts() {
        let was = [key("fig"), key("plum")];
        same(&was, &was).unwrap();
        let changes: [fn(&mut KeyValue); 5] = [
            |key| key.value = b"blue".to_vec(),
            |key| key.create_revision = 5,
            |key| key.mod_revision = 7,
            |key| key.version = 1,
            |key| key.lease = 0,
        ];
        for change in changes {
            let mut is = was.clone();
            change(&mut is[1]);
            let error = kept(&was, &is).unwrap_err().to_string();
            assert!(error.starts_with("plum = ") && error.contains(" became plum = "), "{error}");
            same(&was, &is).unwrap_err();
        }
    }

    #[test]
    fn a_key_that_is_missing_and_one_too_many_are_named() {
        let error = kept(&[key("fig"), key("plum")], &[key("fig")]).unwrap_err().to_string();
        assert!(error.starts_with("plum = ") && error.ends_with(" is gone"), "{error}");
        let (few, many) = ([key("fig")], [key("fig"), key("plum")]);
        kept(&few, &many).unwrap();
        let error = same(&few, &many).unwrap_err().to_string();
        assert!(error.starts_with("there is a key that was not there: plum = "), "{error}");
    }
}
