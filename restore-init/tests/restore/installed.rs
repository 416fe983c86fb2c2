//! The program in a folder that another image's container runs it from.

use std::{path::Path, process::Command};

use testbed::{PATIENCE, programs::Version};

use crate::{
    backup::Stored,
    original::{Original, Target},
};

fn install(to: &Path, certificates: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_etcd-restore-init"))
        .args(["install", "--to"])
        .arg(to)
        .arg("--certificates")
        .arg(certificates)
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_installed_program_restores_with_the_etcdutl_on_path() {
    let shared = tempfile::tempdir().unwrap();
    let (to, certificates) = (shared.path().join("bin"), shared.path().join("bundle"));
    std::fs::write(&certificates, "certificates").unwrap();
    // Twice, as after a restart of the init container.
    for _ in 0..2 {
        let output = install(&to, &certificates);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["ca-certificates.crt", "etcd-restore-init"]);
    assert_eq!(std::fs::read_to_string(to.join("ca-certificates.crt")).unwrap(), "certificates");

    let original = Original::start(Version::V3_6).await;
    let (backup, target) = (Stored::of(&original).await, Target::new());
    let etcdutl = Version::V3_6.program("etcdutl");
    let mut command = tokio::process::Command::new(to.join("etcd-restore-init"));
    command.args(["run", "--from", &backup.url(), "--namespace=orchard", "--cluster=quince"]);
    command.arg("--data-dir").arg(target.data_dir());
    command.env_clear().env("PATH", etcdutl.parent().unwrap()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(target.data_dir().join("member").exists());
}

#[test]
fn an_install_that_fails_says_what_was_copied() {
    let shared = tempfile::tempdir().unwrap();
    let output = install(&shared.path().join("bin"), Path::new("/no/such/bundle"));
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("copying /no/such/bundle"), "{words}");
}
