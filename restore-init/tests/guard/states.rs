//! Every state of the data directory, for each role, served or not, with nobody to ask.

use crate::harness::{Pod, stderr};

const NO_LOG: [&[&str]; 4] = [
    &["lost+found/"],
    &["member/snap/db"],
    &["member/snap/db", "member/wal.tmp/0000000000000000-0000000000000000.wal"],
    &["member/wal/"],
];

const LOG: &[&str] = &["member/snap/db", "member/wal/0000000000000000-0000000000000000.wal"];

/// Nobody listens there: who asks does not come back.
const NOBODY: [&str; 1] = ["http://127.0.0.1:9"];

#[tokio::test]
async fn a_data_dir_with_a_log_starts_at_once_and_needs_nobody() {
    let pods = [Pod::seed(), Pod::seed().served(), Pod::joiner(&NOBODY)];
    for pod in pods.into_iter().chain([Pod::joiner(&NOBODY).served()]) {
        let pod = pod.with_data(LOG);
        // Not even the annotations: after a reboot the volume may come late.
        std::fs::remove_file(pod.annotations()).unwrap();
        let before = pod.data();

        let output = pod.run().await;

        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(pod.data(), before);
        assert_eq!(pod.termination_message(), None);
    }
}

#[tokio::test]
async fn a_seed_that_never_served_starts_on_any_dir_without_a_log() {
    for paths in NO_LOG {
        let pod = Pod::seed().with_data(paths);
        let before = pod.data();

        let output = pod.run().await;

        assert_eq!(output.status.code(), Some(0), "{paths:?}: {}", stderr(&output));
        assert_eq!(pod.data(), before);
    }
    assert_eq!(Pod::seed().run().await.status.code(), Some(0), "no data directory at all");
}

#[tokio::test]
async fn a_pod_that_served_is_refused_on_any_dir_without_a_log() {
    for paths in NO_LOG {
        for pod in [Pod::seed().served(), Pod::joiner(&NOBODY).served()] {
            let pod = pod.with_data(paths);
            let before = pod.data();

            let output = pod.run().await;

            assert_eq!(output.status.code(), Some(3), "{paths:?}: {}", stderr(&output));
            assert_eq!(pod.data(), before);
        }
    }
    assert_eq!(Pod::seed().served().run().await.status.code(), Some(3), "no data directory");
}

#[tokio::test]
async fn the_refusal_tells_the_kubelet_what_happened_and_what_happens_next() {
    let pod = Pod::seed().served();

    let output = pod.run().await;

    let left = pod.termination_message().unwrap();
    assert_eq!(left["reason"], "DataLost");
    let message = left["message"].as_str().unwrap();
    for part in ["served as member quince-7", "data is gone", "removes this member and adds a new"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(stderr(&output).contains(message));
}

#[tokio::test]
async fn a_joiner_that_never_served_waits_on_any_dir_without_a_log() {
    for paths in NO_LOG {
        let pod = Pod::joiner(&NOBODY).with_data(paths);
        let mut guard = pod.start();

        let line = guard.line().await;

        assert!(line.contains("127.0.0.1:9: no connection"), "{paths:?}: {line}");
        assert!(guard.waits());
    }
}

#[tokio::test]
async fn missing_annotations_are_an_error_for_seed_and_joiner() {
    for pod in [Pod::seed(), Pod::joiner(&NOBODY)] {
        std::fs::remove_file(pod.annotations()).unwrap();

        let output = pod.run().await;

        assert_eq!(output.status.code(), Some(1));
        let left = pod.termination_message().unwrap();
        assert_eq!(left["reason"], "Undecided");
        let message = left["message"].as_str().unwrap();
        assert!(message.contains("annotations cannot be read"), "{message}");
    }
}

#[tokio::test]
async fn a_data_dir_that_cannot_be_read_is_an_error_and_not_empty() {
    let pod = Pod::seed().with_data(&["member"]);

    let output = pod.run().await;

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be read; check the volume"), "{}", stderr(&output));
}
