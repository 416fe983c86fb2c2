//! `cargo xtask images`: the project's programs as static binaries, and the images that hold them.
//!
//! What an image holds is written in its Containerfile below `deploy/images/` and nowhere else: buildah
//! packs by it here, and people with another builder use the same file on the same folder of files,
//! `target/images/files`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::tests::command::{self, command};
use ::tests::localkube::images::{Archive, Recipe, project_folder};
use ::tests::localkube::{packages, workspace};
use ::tests::progress::Progress;
use anyhow::{Context, Result, ensure};

/// The explicit target keeps the flags for static programs away from proc-macros, which cannot be.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// What Debian's ca-certificates installs.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Nodes pull these images when a cluster is in trouble, so they stay small: bytes of an archive.
const LARGEST: u64 = 25_000_000;

/// Two sets of images of the same programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// As they are released.
    Release,
    /// With fault points, for `cargo xtask soak`.
    Armed,
}

impl Set {
    /// The tag of its images.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Release => "dev",
            Self::Armed => "soak",
        }
    }

    /// Where the files of its images are laid out.
    fn files(self) -> PathBuf {
        project_folder().join(match self {
            Self::Release => "files",
            Self::Armed => "files-soak",
        })
    }

    /// What cargo is told besides. Only the crate of fault points is compiled differently, and what
    /// stands on it.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Release => &[],
            Self::Armed => &["--config", "profile.release.package.fault.debug-assertions=true"],
        }
    }
}

/// An image of the project: its name is `localhost/NAME:dev`, and the program's name is NAME.
pub(crate) const IMAGES: [&str; 3] = ["etcd-operator", "etcd-restore-init", "etcd-backup-sidecar"];

/// Builds the programs and packs those images whose files changed.
pub(crate) async fn run() -> Result<()> {
    make(Set::Release).await
}

/// The same for one set or the other.
pub(crate) async fn make(set: Set) -> Result<()> {
    let progress = Progress::new();
    packages::install(packages::KUBERNETES, &progress).await?;
    build(set, &progress).await?;
    lay_out(set)?;
    for name in IMAGES {
        let archive = recipe(name, set)?.pack(&project_folder(), &progress).await?;
        report(&archive)?;
    }
    Ok(())
}

/// `cargo build` as it makes the programs of the images. What is built by it lies in
/// [`programs_folder`].
pub(crate) fn static_build() -> tokio::process::Command {
    let mut cargo = command("cargo");
    cargo.current_dir(workspace()).env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"]);
    cargo.arg(target_dir());
    cargo
}

/// Where the static programs are.
pub(crate) fn programs_folder() -> PathBuf {
    target_dir().join(TARGET).join("release")
}

async fn build(set: Set, progress: &Progress) -> Result<()> {
    let mut cargo = static_build();
    cargo.args(set.options());
    for name in IMAGES {
        cargo.args(["--bin", name]);
    }
    let building = command::run(&mut cargo, BUILD_LIMIT);
    progress.step("compile the static programs", Duration::from_secs(200), building).await?;
    Ok(())
}

/// Brings everything that the Containerfiles copy into one folder.
fn lay_out(set: Set) -> Result<()> {
    let files = set.files();
    std::fs::create_dir_all(&files).context("making the folder for the images' files")?;
    let programs = programs_folder();
    for name in IMAGES {
        place(&programs.join(name), &files.join(name))?;
    }
    place(Path::new(CERTIFICATES), &files.join("ca-certificates.crt"))
}

/// Copies with the time of change, by which packing tells whether anything is new.
fn place(source: &Path, target: &Path) -> Result<()> {
    let copy = || {
        std::fs::copy(source, target)?;
        let changed = std::fs::metadata(source)?.modified()?;
        std::fs::File::options().write(true).open(target)?.set_modified(changed)
    };
    copy().with_context(|| format!("copying {} to {}", source.display(), target.display()))
}

/// The files that the Containerfile copies, from the folder of all of them.
fn recipe(name: &str, set: Set) -> Result<Recipe> {
    let containerfile = workspace().join(format!("deploy/images/{name}.Containerfile"));
    let text = std::fs::read_to_string(&containerfile)
        .with_context(|| format!("reading {}", containerfile.display()))?;
    let files = copied(&text).map(|file| (file.to_owned(), set.files().join(file))).collect();
    Ok(Recipe { name: format!("localhost/{name}:{}", set.tag()), containerfile, files })
}

/// Sources of the lines `COPY [--option] SOURCE TARGET`.
fn copied(containerfile: &str) -> impl Iterator<Item = &str> {
    let copies = containerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    copies.filter_map(|line| line.split_whitespace().find(|word| !word.starts_with("--")))
}

fn report(archive: &Archive) -> Result<()> {
    let size = std::fs::metadata(&archive.path).context("reading the archive")?.len();
    println!("{}  {:.1} MB  {}", archive.name, megabytes(size), archive.path.display());
    ensure!(
        size <= LARGEST,
        "the image {} is larger than {} MB; look for a new dependency that could be left out",
        archive.name,
        megabytes(LARGEST)
    );
    Ok(())
}

/// Precise enough for people.
fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1000).unwrap_or(u32::MAX)) / 1000.0
}

fn target_dir() -> PathBuf {
    workspace().join("target/static")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_static_non_root_and_knows_the_public_authorities() {
        for name in IMAGES {
            let recipe = recipe(name, Set::Release).unwrap();
            let text = std::fs::read_to_string(&recipe.containerfile).unwrap();
            assert!(text.contains("\nFROM scratch\n"), "{name}");
            assert!(text.contains("\nUSER 65532:65532\n"), "{name}");
            let copies = format!("/usr/local/bin/{name}\n");
            assert!(text.contains(&copies), "{name}");
            let files: Vec<&str> = recipe.files.iter().map(|(file, _)| file.as_str()).collect();
            assert_eq!(files, ["ca-certificates.crt", name]);
        }
    }

    #[test]
    fn a_file_placed_twice_is_not_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        std::fs::write(&source, "program").unwrap();
        let changed = || std::fs::metadata(&target).unwrap().modified().unwrap();
        place(&source, &target).unwrap();
        let first = changed();
        place(&source, &target).unwrap();
        assert_eq!(changed(), first);
    }

    #[test]
    fn options_of_copy_are_not_files() {
        let text = "FROM scratch\nCOPY --chmod=0755 program /bin/program\nCOPY a /a\n";
        assert_eq!(copied(text).collect::<Vec<_>>(), ["program", "a"]);
    }
}
