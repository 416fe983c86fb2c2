//! Backups in a real S3 server.

use std::{fs, process::Command};

use api::restore::Fault;
use archive::{location::Location, store::Patience};
use testbed::{programs::Version, s3::Server};

use crate::{
    backup,
    original::{Original, Target, contents},
    program::Program,
};

const V: Version = Version::V3_7;

/// Says that this is the child which stores: the SDK takes credentials from the environment alone, and
/// a process cannot change its own safely. Its value is the store and the snapshot's file.
const INSIDE: &str = "RESTORE_TEST_INSIDE";

#[tokio::test]
async fn a_backup_comes_back_from_s3_with_the_right_credentials_alone() {
    if let Ok(value) = std::env::var(INSIDE) {
        let (url, file) = value.split_once(' ').unwrap();
        return store(url, &fs::read(file).unwrap()).await;
    }
    let original = Original::start(V).await;
    let server = Server::start().await;
    server.create_bucket("plums").await;
    let url = format!("s3://plums/backups?endpoint={}", server.endpoint());
    store_as_child(&url, &original.snapshot(), &server);
    let (target, right) = (Target::new(), server.environment());
    let program = |url: &str| {
        Program::from(url, &target, V)
            .envs(&right)
            .args(["--namespace=orchard", "--cluster=quince"])
    };

    let wrong = program(&url).env("AWS_SECRET_ACCESS_KEY", "guessed").run().await;
    assert_eq!(wrong.failed(1, "Credentials").fault, Some(Fault::Store));
    let absent = program(&url.replace("plums", "figs")).run().await;
    assert_eq!(absent.failed(1, "NoBucket").fault, Some(Fault::Store));
    assert_eq!(target.files(), Vec::<std::path::PathBuf>::new());

    program(&url).run().await.restored();
    target.check(V, &contents(V, original.place(), &[])).await;
}

async fn store(url: &str, raw: &[u8]) {
    let store = url.parse::<Location>().unwrap().open(Patience::default()).await.unwrap();
    backup::keep(store, raw, raw, "3.7.3", |_| {}).await;
}

fn store_as_child(url: &str, raw: &[u8], server: &Server) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), raw).unwrap();
    let test = "s3::a_backup_comes_back_from_s3_with_the_right_credentials_alone";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(INSIDE, format!("{url} {}", file.path().display()))
        .envs(server.environment())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
