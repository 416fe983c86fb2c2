//! A bucket that is gone, and credentials that are not good any more.

use testbed::{cluster::Cluster, programs::Version, s3::Server};

use crate::{
    harness::{Archive, Run, fill},
    proxy::{Deed, Proxy, is, is_part},
};

type Meant = fn(&str) -> bool;

const CHECK: &str = "check the key, its secret and region";

#[tokio::test]
async fn a_bucket_that_was_removed_is_named_with_what_to_do() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    archive.take(&cluster, &[]).await;
    server.remove_bucket("plums").await;

    // This server makes a missing bucket for whoever writes; Amazon's answers so.
    let is_write = |head: &str| head.starts_with("put") || head.starts_with("post");
    let gone = Deed::Refuse(404, "NoSuchBucket");
    let proxy = Proxy::start(&server, move |head| if is_write(head) { gone } else { Deed::Pass });
    let mut once = archive.once(&cluster, &["--json"]);
    let run = Run::of(once.env("ETCD_BACKUP_STORE", proxy.url("plums")).spawn().unwrap()).await;
    let sentence = run.fails(1);
    assert!(sentence.contains("the bucket plums does not exist; create it"), "{sentence}");
    assert!(!server.has_bucket("plums"), "it was made anew");
    for words in [&["list"][..], &["verify", "--all"], &["prune", "--keep-last", "1"]] {
        let run = archive.run(words).await;
        assert!(run.fails(1).contains("the bucket plums does not exist"), "{words:?}");
    }
    server.create_bucket("plums").await;
    let next = archive.take(&cluster, &[]).await;
    assert_eq!(archive.ids().await, [next.id.to_string()]);
}

#[tokio::test]
async fn credentials_that_are_wrong_or_revoked_are_told() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    for (variable, value) in [
        ("AWS_SECRET_ACCESS_KEY", Some("wrong")),
        ("AWS_ACCESS_KEY_ID", Some("revoked")),
        ("AWS_ACCESS_KEY_ID", None),
    ] {
        for mut command in [archive.once(&cluster, &["--json"]), archive.command(&["list"])] {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
            let run = Run::of(command.spawn().unwrap()).await;
            assert!(run.fails(1).contains(CHECK), "{variable} {value:?}: {}", run.stderr);
        }
    }
    assert_eq!(archive.ids().await, [""; 0]);
    archive.take(&cluster, &[]).await;
}

/// While bytes flow, and between data and manifest.
#[tokio::test]
async fn credentials_that_are_revoked_in_mid_backup_leave_nothing_in_the_list() {
    let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
    let archive = Archive::on(&server, "plums").await;
    fill(&cluster, 10).await;
    let is_manifest = |head: &str| is(head, "put", "manifest");
    let cases: [(Meant, _, _); 3] = [
        (is_part, Deed::Refuse(403, "InvalidAccessKeyId"), CHECK),
        (is_part, Deed::Refuse(400, "ExpiredToken"), CHECK),
        (is_manifest, Deed::Refuse(403, "AccessDenied"), "allow it to these credentials"),
    ];
    for (meant, deed, words) in cases {
        let proxy = Proxy::start(&server, move |head| if meant(head) { deed } else { Deed::Pass });
        let mut once = archive.once(&cluster, &["--json"]);
        once.env("ETCD_BACKUP_STORE", proxy.url("plums"));
        let run = Run::of(once.spawn().unwrap()).await;
        assert!(run.fails(1).contains(words), "{deed:?}: {}", run.stderr);
        assert_eq!(archive.ids().await, [""; 0], "{deed:?}");
    }
    archive.take(&cluster, &[]).await;
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}
