//! `cargo xtask` begins here: what its own compilation needs is installed, then it is compiled and run.
//!
//! etcd's client generates code with protoc when it is compiled, so a machine without protoc could not
//! even compile the command that installs it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

const PACKAGES: [&str; 2] = ["protobuf-compiler", "libprotobuf-dev"];

fn main() -> ExitCode {
    let error = match install_protoc() {
        Ok(()) => become_xtask(),
        Err(error) => error,
    };
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Replaces this program; returns only if it cannot.
fn become_xtask() -> anyhow::Error {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut xtask = Command::new(cargo);
    xtask.args(["run", "--package", "xtask", "--"]).args(std::env::args_os().skip(1));
    anyhow::Error::from(xtask.exec()).context("cargo could not be started")
}

fn install_protoc() -> Result<()> {
    if has_protoc() {
        return Ok(());
    }
    eprintln!("installing the Debian packages {} …", PACKAGES.join(" "));
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", PACKAGES[0], PACKAGES[1]])
}

/// protoc looks for the well-known types beside itself, as its packages place them.
fn has_protoc() -> bool {
    if std::env::var_os("PROTOC").is_some() {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let protoc = std::env::split_paths(&path).map(|dir| dir.join("protoc")).find(|f| f.is_file());
    protoc.is_some_and(|protoc| well_known_types(&protoc).is_file())
}

fn well_known_types(protoc: &Path) -> PathBuf {
    let prefix = protoc.parent().and_then(Path::parent).unwrap_or(protoc);
    prefix.join("include/google/protobuf/any.proto")
}

fn apt_get(args: &[&str]) -> Result<()> {
    let by_hand = || format!("install {} by hand, then try again", PACKAGES.join(" and "));
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["--quiet", "--quiet"]).args(args);
    // The timeout for the package manager's own lock; a download gives up by itself.
    apt.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::http::Timeout=60"]);
    let status = apt.status().with_context(by_hand)?;
    ensure!(status.success(), "apt-get {} ended with {status}; {}", args.join(" "), by_hand());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_looked_for_where_the_package_puts_them() {
        let types = well_known_types(Path::new("/usr/bin/protoc"));
        assert_eq!(types, Path::new("/usr/include/google/protobuf/any.proto"));
    }
}
