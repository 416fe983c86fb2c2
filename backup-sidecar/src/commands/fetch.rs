//! `fetch`: a backup's plain database in a file.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use archive::{catalogue, download::Download};
use tokio::{
    fs::{self, File},
    io::AsyncWriteExt,
    task::spawn_blocking,
};

use super::{Opened, once::interrupted};
use crate::{args::FetchArgs, backup::now, output, progress, verification};

pub(super) async fn run(args: FetchArgs) -> anyhow::Result<()> {
    refuse_existing(&args)?;
    let opened = Opened::new(&args.store).await?;
    let listed = opened.find(&args.id, &args.scope).await?;
    if let Err(error) = catalogue::want(&*opened.store, &listed.archive, listed.id, now()).await {
        tracing::warn!(%error, "it could not be noted that the backup is read, so do not prune now");
    }
    let committed = catalogue::read(&*opened.store, &listed.archive, listed.id).await?;
    let download = Download::open(opened.store.clone(), &listed.archive, &committed.manifest)?;
    let partial = Partial::beside(&args.output)?;
    tokio::select! {
        written = write(download, &partial.path, args.store.json) => written?,
        () = interrupted() => bail!("interrupted; nothing of it is left"),
    }
    refuse_existing(&args)?;
    let size = committed.manifest.raw.size;
    let hash = hash(&partial.path, size).await?;
    partial.keep(&args.output).await?;
    if args.store.json {
        let file = args.output.display().to_string();
        return output::json(&serde_json::json!({
            "id": listed.id, "file": file, "size": size, "hash": hash
        }));
    }
    let (size, hash, file) = (output::bytes(size), output::hash(hash), args.output.display());
    output::line(format!("{}: {size} in {file}, {hash}", listed.id))
}

/// What `etcdutl snapshot status` prints of the file. What it cannot be computed of is no database.
async fn hash(path: &Path, size: u64) -> anyhow::Result<u32> {
    let failed = || format!("{} cannot be read back", path.display());
    let file = std::fs::File::open(path).with_context(failed)?;
    let hashing = spawn_blocking(move || verification::hash(file, size));
    hashing.await.with_context(failed)?.context("what was fetched is no database of etcd's")
}

fn refuse_existing(args: &FetchArgs) -> anyhow::Result<()> {
    if !args.force && args.output.exists() {
        bail!(
            "{} is there already; give another name, or --force to replace it",
            args.output.display()
        );
    }
    Ok(())
}

/// Every byte durably in the file, and all of them found good.
async fn write(mut download: Download, path: &Path, is_quiet: bool) -> anyhow::Result<()> {
    let failed =
        || format!("{} cannot be written; check the folder and its free space", path.display());
    let mut file = File::create_new(path).await.with_context(failed)?;
    let counts = crate::verification::Counts::default();
    let work = async {
        while let Some(bytes) = download.next().await? {
            counts.set(download.received(), download.stored_size());
            file.write_all(&bytes).await.with_context(failed)?;
        }
        file.sync_all().await.with_context(failed)
    };
    progress::show("fetch", is_quiet, || counts.get(), work).await
}

/// A file that is removed unless it is kept.
struct Partial {
    path: PathBuf,
}

impl Partial {
    fn beside(output: &Path) -> anyhow::Result<Self> {
        let name =
            output.file_name().with_context(|| format!("{} names no file", output.display()))?;
        let name = format!(".{}.{}.partial", name.to_string_lossy(), std::process::id());
        Ok(Self { path: output.with_file_name(name) })
    }

    /// Gives the file its name, durably.
    async fn keep(self, output: &Path) -> anyhow::Result<()> {
        let failed = || format!("{} cannot be written", output.display());
        fs::rename(&self.path, output).await.with_context(failed)?;
        let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).await.with_context(failed)?;
        folder.sync_all().await.with_context(failed)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It is gone already when it was kept.
        let _gone = std::fs::remove_file(&self.path);
    }
}
