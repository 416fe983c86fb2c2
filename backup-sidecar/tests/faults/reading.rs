//! A store that fails while a backup is read.

use testbed::{cluster::Cluster, programs::Version, s3::Server};

use crate::{
    harness::{Archive, Run},
    proxy::{Deed, Proxy, is},
};

fn is_data(head: &str) -> bool {
    is(head, "get", "data.db.gz")
}

/// A backup, and how it is read through a proxy that does this to its data.
struct Place {
    server: Server,
    archive: Archive,
    id: String,
}

impl Place {
    async fn new() -> Self {
        let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
        let archive = Archive::on(&server, "plums").await;
        let id = archive.take(&cluster, &[]).await.id.to_string();
        Self { server, archive, id }
    }

    /// Verified, and fetched.
    async fn read(&self, deed: Deed) -> [Run; 2] {
        let proxy =
            Proxy::start(&self.server, move |head| if is_data(head) { deed } else { Deed::Pass });
        let run = async |words: &[&str]| {
            let mut command = self.archive.command(words);
            command.env("ETCD_BACKUP_STORE", proxy.url("plums"));
            Run::of(command.spawn().unwrap()).await
        };
        let file = self.archive.scratch("kv.db");
        let fetch = ["fetch", &self.id, "-o", file.to_str().unwrap()];
        let verify = ["verify", &self.id];
        let (verified, fetched) = tokio::join!(run(&verify), run(&fetch));
        assert!(proxy.has_seen(is_data));
        [verified, fetched]
    }

    /// Says why, has found nothing wrong with the backup, and has left no file.
    async fn fails(&self, deed: Deed, words: &str) {
        for run in self.read(deed).await {
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(run.code == Some(1) && said.contains(words), "{deed:?}: {run:?}");
        }
        assert!(!self.archive.scratch("kv.db").exists(), "{deed:?}");
        let list = self.archive.json(&["list"]).await;
        assert!(list[0]["damaged"].is_null() && list[0]["verified"].is_null(), "{list}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_no_finding_and_no_file() {
    let place = Place::new().await;
    place.fails(Deed::Refuse(403, "AccessDenied"), "allow it to these credentials").await;
}

#[tokio::test]
async fn a_body_that_is_cut_again_and_again_is_read_to_its_end() {
    let place = Place::new().await;
    for run in place.read(Deed::CutAnswer).await {
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    assert!(place.archive.json(&["list"]).await[0]["verified"].is_string());
}
