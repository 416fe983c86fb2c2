//! A store that fails while a backup is written.

use testbed::{cluster::Cluster, programs::Version, s3::Server, until};
use tokio::process::Child;

use crate::{
    harness::{Archive, Run, fill},
    proxy::{Deed, Proxy, is, is_part},
};

const BUCKET: &str = "plums";

/// A cluster, a store, and an archive that is reached past all proxies.
struct Place {
    cluster: Cluster,
    server: Server,
    archive: Archive,
}

impl Place {
    async fn with(megabytes: usize) -> Self {
        let (cluster, server) = tokio::join!(Cluster::start(Version::V3_6, 1), Server::start());
        fill(&cluster, megabytes).await;
        let archive = Archive::on(&server, BUCKET).await;
        Self { cluster, server, archive }
    }

    fn once_through(&self, proxy: &Proxy, patience: &str) -> Child {
        let mut once = self.archive.once(&self.cluster, &["--json"]);
        once.env("ETCD_BACKUP_STORE", proxy.url(BUCKET)).env("ETCD_BACKUP_PATIENCE", patience);
        once.spawn().unwrap()
    }

    /// One attempt that fails with a sentence, and one without faults that works.
    async fn fails(&self, meant: fn(&str) -> bool, deed: Deed, words: &str) {
        let before = self.archive.ids().await;
        let proxy =
            Proxy::start(&self.server, move |head| if meant(head) { deed } else { Deed::Pass });

        let run = Run::of(self.once_through(&proxy, "5s")).await;

        assert!(proxy.has_seen(meant), "{deed:?}: {run:?}");
        let sentence = run.fails(1);
        assert!(sentence.contains(words), "{deed:?}: {sentence}");
        assert_eq!(self.archive.ids().await, before, "{deed:?}");
        let next = self.archive.take(&self.cluster, &[]).await;
        assert_eq!(self.archive.ids().await[0], next.id.to_string());
    }

    /// Another attempt without faults, and all that were stored so far are good.
    async fn works(&self) {
        self.archive.take(&self.cluster, &[]).await;
        assert_eq!(self.archive.run(&["verify", "--all"]).await.code, Some(0));
    }
}

/// The end of an upload of parts.
fn is_end(head: &str) -> bool {
    head.starts_with("post") && head.contains("uploadid=")
}

fn is_look_at_data(head: &str) -> bool {
    is(head, "head", "data.db.gz")
}

fn is_data(head: &str) -> bool {
    is(head, "put", "data.db.gz")
}

fn is_manifest(head: &str) -> bool {
    is(head, "put", "manifest")
}

const CANNOT: &str = "the store fails or cannot be reached";
const SLOWER: &str = "the store asks to slow down";

#[tokio::test]
async fn an_upload_of_parts_that_fails_is_no_backup() {
    let place = Place::with(10).await;
    place.fails(is_part, Deed::Refuse(500, "InternalError"), CANNOT).await;
    place.fails(is_part, Deed::Refuse(503, "SlowDown"), SLOWER).await;
    place.fails(is_part, Deed::CutRequest, CANNOT).await;
    place.fails(is_part, Deed::DropAnswer, CANNOT).await;
    place.fails(is_end, Deed::Refuse(500, "InternalError"), CANNOT).await;
    place.fails(is_end, Deed::Lie, "finishing the upload of").await;
    place.works().await;
}

#[tokio::test]
async fn a_success_for_what_is_not_stored_is_no_success() {
    let place = Place::with(0).await;
    place.fails(is_data, Deed::Lie, "data.db.gz is not in the store").await;
    place.fails(is_data, Deed::CutRequest, CANNOT).await;
    place.fails(is_look_at_data, Deed::Shorten, "bytes were written, the store shows").await;
    place.fails(is_manifest, Deed::Lie, "is not in the store").await;
    place.fails(is_manifest, Deed::Refuse(500, "InternalError"), CANNOT).await;
    place.works().await;
}

#[tokio::test]
async fn one_failure_of_the_store_is_outlasted() {
    let place = Place::with(10).await;
    let first = std::sync::atomic::AtomicBool::new(true);
    let proxy = Proxy::start(&place.server, move |head| {
        let fails = is_part(head) && first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if fails { Deed::Refuse(503, "SlowDown") } else { Deed::Pass }
    });
    let run = Run::of(place.once_through(&proxy, "20s")).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(place.archive.ids().await.len(), 1);
}

/// An attempt in the middle of a part.
async fn begun(place: &Place) -> (Proxy, Child) {
    let slow = |head: &str| if is_part(head) { Deed::Slow(128 << 10) } else { Deed::Pass };
    let proxy = Proxy::start(&place.server, slow);
    let child = place.once_through(&proxy, "4s");
    until("a part is on its way", async || proxy.has_seen(is_part).then_some(())).await;
    (proxy, child)
}

#[tokio::test]
async fn a_store_that_stands_still_in_mid_upload_is_given_up() {
    let place = Place::with(10).await;
    let (_proxy, child) = begun(&place).await;
    place.server.signal("STOP");
    let run = Run::of(child).await;
    place.server.signal("CONT");
    assert!(run.fails(1).contains("came to no end in time"), "{}", run.stderr);
    assert_eq!(place.archive.ids().await, [""; 0]);
    place.works().await;
}

#[tokio::test]
async fn a_store_that_is_killed_in_mid_part_fails_the_backup() {
    let mut place = Place::with(10).await;
    let (_proxy, child) = begun(&place).await;
    place.server.kill();
    let run = Run::of(child).await;
    assert!(run.fails(1).contains(CANNOT), "{}", run.stderr);
    place.server.restart().await;
    assert_eq!(place.archive.ids().await, [""; 0]);
    place.works().await;
}
