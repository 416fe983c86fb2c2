//! The command line.

use tokio::process::Command;

use crate::harness::{Pod, stderr};

#[tokio::test]
async fn help_lists_the_exit_codes() {
    for (command, code) in [("guard", "3    etcd must not start"), ("run", "3    refused")] {
        let binary = env!("CARGO_BIN_EXE_etcd-restore-init");
        let help = Command::new(binary).args([command, "--help"]).output().await.unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains(code), "{help}");
    }
}

#[tokio::test]
async fn a_joiner_without_anybody_to_ask_is_told_what_to_give() {
    let output = Pod::joiner::<&str>(&[]).run().await;

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("give --ask or --ask-service"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_name_in_ask_is_refused_before_it_is_looked_up() {
    let output = Pod::joiner(&["http://quince-0.quince.orchard.svc:2380"]).run().await;

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("write it as http://IP:PORT"), "{}", stderr(&output));
}
