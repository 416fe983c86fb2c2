//! Two sidecars that serve one archive, by mistake: each takes backups, prunes and tidies up.

use testbed::{cluster::Cluster, programs::Version, s3};

use crate::{harness::Archive, sidecar::Site};

const ROUNDS: u8 = 6;

async fn both_are_safe(archive: &Archive) {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let sites = [1, 2].map(|keep| Site::of(&cluster, archive, 1, keep));
    let running = [sites[0].start(archive, &[]).await, sites[1].start(archive, &[]).await];
    let client = cluster.client(0).await;
    let mut newest = 0;
    for number in 0..ROUNDS {
        let put = client.put(b"/fig", &[number]).await;
        put.unwrap();
        // An empty etcd has revision 1.
        newest = i64::from(number) + 2;
        for site in &sites {
            // It takes a backup of that, or finds that the other has.
            let before = site.status().await.last_success;
            site.wait("it is backed up", |status| status.last_success > before).await;
            assert_eq!(site.status().await.failing, None);
            let there = site.backups().await;
            assert!(there.iter().any(|one| one.damaged.is_none()), "{there:?}");
        }
    }
    for one in running {
        one.stop().await;
    }
    let there = archive.json(&["list"]).await;
    assert!(there[0]["damaged"].is_null());
    assert_eq!(there[0]["revision"], newest, "{there}");
    let verified = archive.run(&["verify", "--all"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test]
async fn two_that_serve_one_folder_do_each_other_no_harm() {
    both_are_safe(&Archive::in_a_folder()).await;
}

#[tokio::test]
async fn two_that_serve_one_bucket_do_each_other_no_harm() {
    let server = s3::Server::start().await;
    both_are_safe(&Archive::on(&server, "plums").await).await;
}
