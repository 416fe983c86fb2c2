//! Reading and writing keys.

use testbed::{cluster::Cluster, programs::Version};

testbed::on_each_version!(
    a_key_lives_from_put_to_delete,
    a_prefix_is_read_whole_and_in_order,
    a_prefix_is_read_as_it_was_at_a_revision,
);

async fn a_key_lives_from_put_to_delete(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    assert_eq!(client.get(b"/plum").await.unwrap(), None);

    let revision = client.put(b"/plum", b"stone").await.unwrap();

    let read = client.get(b"/plum").await.unwrap().unwrap();
    assert_eq!((read.value.as_slice(), read.mod_revision), (&b"stone"[..], revision));
    assert!(client.delete(b"/plum").await.unwrap());
    assert!(!client.delete(b"/plum").await.unwrap());
    assert_eq!(client.get(b"/plum").await.unwrap(), None);
}

/// More keys than one page holds, and in one page more bytes than gRPC takes by default.
async fn a_prefix_is_read_whole_and_in_order(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    let large = vec![7; 1024 * 1024];
    let mut expected = Vec::new();
    for number in 0..130 {
        let key = format!("/pear/{number:03}").into_bytes();
        let value = if number < 6 { large.clone() } else { key.clone() };
        client.put(&key, &value).await.unwrap();
        expected.push((key, value));
    }
    client.put(b"/peas", b"other").await.unwrap();

    let pears = client.get_prefix(b"/pear").await.unwrap();
    let everything = client.get_prefix(b"").await.unwrap();

    let pairs: Vec<_> = pears.into_iter().map(|kv| (kv.key, kv.value)).collect();
    assert!(pairs == expected, "{} keys instead of {}", pairs.len(), expected.len());
    assert_eq!(everything.len(), 131);
}

async fn a_prefix_is_read_as_it_was_at_a_revision(version: Version) {
    let cluster = Cluster::start(version, 1).await;
    let client = cluster.client(0).await;
    client.put(b"/fig", b"green").await.unwrap();
    let then = client.put(b"/lime", b"sour").await.unwrap();
    client.put(b"/fig", b"blue").await.unwrap();
    client.delete(b"/lime").await.unwrap();
    client.put(b"/plum", b"later").await.unwrap();

    let read = client.get_prefix_at(b"", then).await.unwrap();

    let pairs: Vec<_> = read.iter().map(|kv| (kv.key.as_slice(), kv.value.as_slice())).collect();
    assert_eq!(pairs, [(&b"/fig"[..], &b"green"[..]), (b"/lime", b"sour")]);
    assert_eq!(read.iter().map(|kv| kv.version).collect::<Vec<_>>(), [1, 1]);
}
