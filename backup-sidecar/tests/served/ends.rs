//! A sidecar that is told to end in the middle of its work.

use axum::http::Method;
use testbed::{cluster::Cluster, programs::Version, until};

use crate::{
    harness::{Archive, fill},
    sidecar::{Running, Site},
};

/// More than the connections and the program hold, so that much is still to come in mid-stream.
const MEGABYTES: usize = 64;

/// A sidecar in the middle of its first backup: the member has been stopped.
async fn in_mid_upload(cluster: &Cluster, archive: &Archive) -> (Site, Running) {
    fill(cluster, MEGABYTES).await;
    let site = Site::of(cluster, archive, 3600, 0);
    let running = site.start(archive, &[]).await;
    until("bytes flow", async || {
        let data = archive
            .files()
            .into_iter()
            .find(|path| path.to_string_lossy().contains("data.db.gz"))?;
        (std::fs::metadata(data).ok()?.len() > 0).then_some(())
    })
    .await;
    cluster.members[0].signal("STOP");
    assert!(
        !archive.files().iter().any(|path| path.ends_with("data.db.gz")),
        "it was over already"
    );
    (site, running)
}

#[tokio::test]
async fn a_backup_that_is_under_way_is_finished_before_the_end() {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let (site, running) = in_mid_upload(&cluster, &archive).await;

    running.signal("TERM");
    until("nothing new is begun", async || {
        let order = r#"{"reason": "on-demand"}"#;
        let answer = site.ask(Method::PUT, "/v1/requests/u-1", order).await;
        (answer.status == 503).then_some(())
    })
    .await;
    assert_eq!(site.status().await.running.as_deref(), Some("scheduled"));
    cluster.members[0].signal("CONT");

    assert_eq!(running.end().await, Some(0));
    assert_eq!(archive.ids().await.len(), 1);
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}

#[tokio::test]
async fn a_sidecar_that_is_killed_in_mid_upload_leaves_nothing_in_the_list_and_the_next_begins_anew()
 {
    let cluster = Cluster::start(Version::V3_6, 1).await;
    let archive = Archive::in_a_folder();
    let (site, running) = in_mid_upload(&cluster, &archive).await;
    running.kill().await;
    cluster.members[0].signal("CONT");
    assert_eq!(archive.ids().await, [""; 0]);

    let running = site.start(&archive, &[]).await;
    site.wait("it is made up for", |status| status.backups == 1).await;
    running.stop().await;
    assert_eq!(archive.run(&["verify", "--all"]).await.code, Some(0));
}
