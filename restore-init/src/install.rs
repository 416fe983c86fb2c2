//! Puts this program where another image's container can run it.
//!
//! The etcd image has no shell and none of our files. The first init container, of our image, copies
//! this static program and the CA bundle into a folder that both containers share; the second one runs
//! it there with `SSL_CERT_FILE=<folder>/ca-certificates.crt`. Whoever looks sees a whole file or none.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The program's name in the folder.
const PROGRAM: &str = "etcd-restore-init";
/// The bundle of the image, and of most systems.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The bundle's name in the folder.
const CERTIFICATES: &str = "ca-certificates.crt";

#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// The shared folder; it gets `etcd-restore-init` and `ca-certificates.crt`
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,

    /// The CA certificates by which servers of object stores are trusted
    #[arg(long, value_name = "FILE", default_value = BUNDLE)]
    pub certificates: PathBuf,
}

/// Copies both files. They are whole and durable when this returns.
pub(crate) fn run(args: &InstallArgs) -> anyhow::Result<()> {
    copy(&args.to, &args.certificates)
}

/// Does the same with the CA bundle of the image.
pub(crate) fn into(folder: &Path) -> anyhow::Result<()> {
    copy(folder, Path::new(BUNDLE))
}

fn copy(folder: &Path, certificates: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("looking for the own program")?;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    place(&own, &folder.join(PROGRAM), 0o755)?;
    place(certificates, &folder.join(CERTIFICATES), 0o644)?;
    File::open(folder)?.sync_all()?;
    eprintln!("installed {PROGRAM} and {CERTIFICATES} in {}", folder.display());
    Ok(())
}

fn place(from: &Path, to: &Path, mode: u32) -> anyhow::Result<()> {
    let unfinished = to.with_extension("unfinished");
    let copy = || -> std::io::Result<()> {
        fs::copy(from, &unfinished)?;
        fs::set_permissions(&unfinished, Permissions::from_mode(mode))?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, to)
    };
    copy().with_context(|| format!("copying {} to {}", from.display(), to.display()))
}
