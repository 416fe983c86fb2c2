//! The programs under measurement, and those they are compared with.

use std::path::PathBuf;
use std::time::Duration;

use ::tests::command::run;
use ::tests::localkube::packages;
use ::tests::progress::Progress;
use anyhow::Result;

use crate::images;

const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// Does one stage of a backup alone.
const STAGE: &str = "backup-stage";

/// Ours, as the images carry them.
pub(in crate::bench) struct Programs {
    pub(in crate::bench) sidecar: PathBuf,
    pub(in crate::bench) restore_init: PathBuf,
    pub(super) stage: PathBuf,
}

impl Programs {
    /// Builds ours and installs the others.
    pub(in crate::bench) async fn get(progress: &Progress) -> Result<Self> {
        packages::install(&["gzip", "rclone", "curl", "util-linux"], progress).await?;
        crate::test::tools::seaweedfs(progress).await?;
        // Together with the images' programs, so that what they share is compiled once.
        let mut cargo = images::static_build();
        cargo.args(images::IMAGES.iter().flat_map(|name| ["--bin", name]));
        cargo.args(["--bin", STAGE]);
        let building = run(&mut cargo, BUILD_LIMIT);
        progress.step("compile the programs", Duration::from_mins(4), building).await?;
        let built = |name: &str| images::programs_folder().join(name);
        let (sidecar, stage) = (built("etcd-backup-sidecar"), built(STAGE));
        Ok(Self { sidecar, restore_init: built("etcd-restore-init"), stage })
    }
}
