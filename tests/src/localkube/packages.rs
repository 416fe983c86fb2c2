//! Debian packages: what is missing is installed, what is there is left alone.

use std::time::Duration;

use super::error::Error;
use crate::command::{command, on_path, run};
use crate::progress::Progress;

/// What the local Kubernetes and its images need.
pub const KUBERNETES: &[&str] = &[
    "buildah",
    "ca-certificates",
    "catatonit",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "mount",
    "nftables",
    "runc",
    "util-linux",
];

const LIMIT: Duration = Duration::from_mins(10);

/// Installs those of `packages` that are missing; needs root only if some are.
pub async fn install(packages: &[&str], progress: &Progress) -> Result<(), Error> {
    let missing = missing(packages).await?;
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let name = format!("install the Debian packages {}", missing.join(" "));
    progress.step(&name, Duration::from_secs(40), apt(&missing)).await
}

async fn missing(packages: &[&str]) -> Result<Vec<String>, Error> {
    if on_path("dpkg-query").is_none() {
        return Err(Error::Content {
            path: "/etc/os-release".into(),
            problem: format!(
                "this is no Debian; install what is known there as {}, then build on a Debian 12",
                packages.join(" ")
            ),
        });
    }
    let mut query = command("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n", "*"]);
    Ok(not_installed(packages, &run(&mut query, LIMIT).await?))
}

fn not_installed(packages: &[&str], listing: &str) -> Vec<String> {
    let installed: Vec<&str> =
        listing.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    packages.iter().filter(|p| !installed.contains(p)).map(ToString::to_string).collect()
}

async fn apt(packages: &[String]) -> Result<(), Error> {
    // A package manager at work elsewhere is waited for instead of failing at once.
    let apt_get = || {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=300"]);
        apt
    };
    run(apt_get().arg("update"), LIMIT).await?;
    let mut install = apt_get();
    install.args(["install", "--yes", "--no-install-recommends"]).args(packages);
    run(&mut install, LIMIT).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_was_removed_counts_as_missing() {
        let listing = "runc installed\ncontainerd config-files\nrunc-extra installed\n";
        assert_eq!(
            not_installed(&["runc", "containerd", "mount"], listing),
            ["containerd", "mount"]
        );
    }
}
