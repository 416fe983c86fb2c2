//! The programs under measurement, and those they are compared with.

use std::path::PathBuf;
use std::time::Duration;

use ::tests::command::run;
use ::tests::localkube::{packages, workspace};
use ::tests::progress::Progress;
use anyhow::{Context, Result};

use crate::images;

const BUILD_LIMIT: Duration = Duration::from_hours(1);
const CONTAINERFILE: &str = "deploy/images/etcd-backup-sidecar.Containerfile";
/// Does one stage of a backup alone.
const STAGE: &str = "backup-stage";

/// Ours, as the images carry them.
pub(in crate::bench) struct Programs {
    pub(in crate::bench) sidecar: PathBuf,
    pub(in crate::bench) restore_init: PathBuf,
    /// What the sidecar's image sets.
    pub(super) environment: Vec<(String, String)>,
    pub(super) stage: PathBuf,
}

impl Programs {
    /// Builds ours, unless those are wanted that are there, and installs the others.
    pub(in crate::bench) async fn get(as_built: bool, progress: &Progress) -> Result<Self> {
        packages::install(&["gzip", "rclone", "curl"], progress).await?;
        crate::test::tools::seaweedfs(progress).await?;
        if !as_built {
            progress.step("compile the programs", Duration::from_mins(4), build()).await?;
        }
        let built = |name: &str| images::programs_folder().join(name);
        let (sidecar, stage) = (built("etcd-backup-sidecar"), built(STAGE));
        let file = workspace().join(CONTAINERFILE);
        let text = std::fs::read_to_string(&file).context("reading the sidecar's Containerfile")?;
        let (restore_init, environment) = (built("etcd-restore-init"), environment(&text));
        Ok(Self { sidecar, restore_init, environment, stage })
    }
}

/// Together with the images' programs, so that what they share is compiled once.
async fn build() -> Result<()> {
    let mut cargo = images::static_build();
    cargo.args(images::IMAGES.iter().flat_map(|name| ["--bin", name]));
    cargo.args(["--bin", STAGE]);
    run(&mut cargo, BUILD_LIMIT).await?;
    Ok(())
}

/// The variables of a Containerfile's lines `ENV NAME=VALUE …`.
fn environment(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sidecars_image_sets_how_memory_is_given_back() {
        let text = std::fs::read_to_string(workspace().join(CONTAINERFILE)).unwrap();
        let environment = environment(&text);
        assert!(environment.contains(&("MALLOC_TRIM_THRESHOLD_".into(), "131072".into())));
    }
}
