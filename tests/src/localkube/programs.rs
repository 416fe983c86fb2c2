//! Kubernetes, CoreDNS and etcd, built from their Go modules and kept in the user's cache folder.
//!
//! The go.mod files in `tests/programs/` are the only place where versions are written. What is built is
//! named by version and by the hash of everything that decides it, so a fresh clone on the same
//! machine finds it again; a link without version, such as `etcd-3.6`, leads to the one last asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cache::{self, fingerprint};
use super::error::Error;
use super::{files, lock, workspace};
use crate::command::{command, run};
use crate::progress::Progress;

/// Programs of one go.mod, built.
#[derive(Clone, Debug)]
pub struct Built {
    /// Version of the main module, with its leading v.
    pub version: String,
    /// The folder with the programs.
    pub dir: PathBuf,
}

impl Built {
    /// Path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// All programs that the local Kubernetes runs or has in its images.
#[derive(Clone, Debug)]
pub struct Programs {
    /// API server, controller manager, scheduler, kubelet, kube-proxy, kubectl.
    pub kubernetes: Built,
    /// CoreDNS.
    pub coredns: Built,
    /// etcd, etcdctl and etcdutl of each minor version that is tested, oldest first.
    pub etcd: Vec<Built>,
    /// The etcd whose tools are put on PATH, and which holds the local Kubernetes' own data.
    pub etcd_tools: Built,
}

/// How long one `go build` may take from nothing on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// How long to wait for another checkout that builds the same.
const OTHER_BUILD_LIMIT: Duration = Duration::from_hours(1);

struct Source {
    /// Folder below `tests/programs`.
    folder: &'static str,
    /// The module whose version counts.
    module: &'static str,
    /// What to build, and as what; the name ends in a slash for a folder of several.
    builds: &'static [(&'static str, &'static str)],
    /// Whether the version must be linked in, as upstream's build does.
    links_version: bool,
    /// From nothing, on two cores.
    expected: Duration,
}

const ETCD_BUILDS: &[(&str, &str)] = &[
    ("go.etcd.io/etcd/etcdctl/v3", "etcdctl"),
    ("go.etcd.io/etcd/etcdutl/v3", "etcdutl"),
    ("go.etcd.io/etcd/server/v3", "etcd"),
];

const KUBERNETES: Source = Source {
    folder: "kubernetes",
    module: "k8s.io/kubernetes",
    // `tool` stands for all programs that go.mod lists as tools.
    builds: &[("tool", "")],
    links_version: true,
    expected: Duration::from_mins(10),
};
const COREDNS: Source = Source {
    folder: "coredns",
    module: "github.com/coredns/coredns",
    builds: &[(".", "coredns")],
    links_version: false,
    expected: Duration::from_secs(160),
};

const fn etcd(folder: &'static str) -> Source {
    let expected = Duration::from_secs(55);
    let module = "go.etcd.io/etcd/server/v3";
    Source { folder, module, builds: ETCD_BUILDS, links_version: false, expected }
}

/// Builds what is missing. One build at a time: each of them uses every core.
pub async fn build(progress: &Progress) -> Result<Programs, Error> {
    let kubernetes = KUBERNETES.built(progress).await?;
    let coredns = COREDNS.built(progress).await?;
    let [oldest, etcd_tools, newest] = etcd_versions(progress).await?;
    let etcd = vec![oldest, etcd_tools.clone(), newest];
    Ok(Programs { kubernetes, coredns, etcd, etcd_tools })
}

/// etcd 3.5, 3.6 and 3.7 alone, for tests that need no Kubernetes.
pub async fn etcd_versions(progress: &Progress) -> Result<[Built; 3], Error> {
    let oldest = etcd("etcd-3.5").built(progress).await?;
    let middle = etcd("etcd-3.6").built(progress).await?;
    let newest = etcd("etcd-3.7").built(progress).await?;
    Ok([oldest, middle, newest])
}

impl Source {
    async fn built(&self, progress: &Progress) -> Result<Built, Error> {
        let source = workspace().join("tests/programs").join(self.folder);
        let version = self.version(&source)?;
        let name = format!("{}-{version}-{}", self.folder, self.hash(&source)?);
        let finished = cache::folder()?.join("programs").join(name);
        if !finished.is_dir() {
            let what = format!("build {} {version}", self.folder);
            let building = self.build_once(&source, &version, finished.clone());
            progress.step(&what, self.expected, building).await?;
        }
        cache::point_to(&cache::folder()?.join(self.folder), &finished)?;
        Ok(Built { version, dir: finished })
    }

    async fn build_once(&self, source: &Path, version: &str, dir: PathBuf) -> Result<(), Error> {
        let _alone = lock::acquire(&dir.with_extension("lock"), OTHER_BUILD_LIMIT).await?;
        let all = |draft: PathBuf| async move {
            for (package, output) in self.builds {
                self.go_build(source, version, package, &draft.join(output)).await?;
            }
            Ok(())
        };
        cache::folder_made_once(dir, all).await?;
        Ok(())
    }

    async fn go_build(
        &self,
        source: &Path,
        version: &str,
        package: &str,
        output: &Path,
    ) -> Result<(), Error> {
        let mut go = command("go");
        // Static programs run in images that hold nothing else.
        go.current_dir(source).env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false");
        go.args(["build", "-trimpath", "-ldflags", &self.linker_flags(version)]);
        go.arg("-o").arg(output).arg(package);
        run(&mut go, BUILD_LIMIT).await?;
        Ok(())
    }

    fn linker_flags(&self, version: &str) -> String {
        let strip = "-s -w";
        if !self.links_version {
            return strip.to_owned();
        }
        // kubernetes/hack/lib/version.sh: without these the API server calls itself v0.0.0.
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
        let of = "k8s.io/component-base/version";
        format!(
            "{strip} -X {of}.gitVersion={version} -X {of}.gitMajor={major} -X {of}.gitMinor={minor} -X k8s.io/client-go/pkg/version.gitVersion={version}"
        )
    }

    fn version(&self, source: &Path) -> Result<String, Error> {
        let path = source.join("go.mod");
        version_of(self.module, &files::read(&path)?).ok_or_else(|| Error::Content {
            path,
            problem: format!("requires no version of {}; add it", self.module),
        })
    }

    /// Over all committed files of the folder and over the way they are built.
    fn hash(&self, source: &Path) -> Result<String, Error> {
        let mut inputs = files::entries(source)?;
        inputs.sort();
        let mut parts = vec![format!("{:?} {}", self.builds, self.linker_flags("")).into_bytes()];
        for file in inputs {
            parts.push(std::fs::read(&file).map_err(Error::file("read", &file))?);
        }
        Ok(fingerprint(parts.iter().map(Vec::as_slice)).chars().take(12).collect())
    }
}

fn version_of(module: &str, go_mod: &str) -> Option<String> {
    let mut lines = go_mod.lines().map(|line| line.trim().trim_start_matches("require "));
    let version = lines.find_map(|line| line.strip_prefix(module)?.strip_prefix(" v"))?;
    version.split(' ').next().map(|number| format!("v{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_required_one_whatever_the_form_of_the_line() {
        let one = "module m\nrequire github.com/coredns/coredns v1.14.7\n";
        assert_eq!(version_of("github.com/coredns/coredns", one).unwrap(), "v1.14.7");
        let block = "tool (\n\tk8s.io/api/tool\n)\nrequire (\n\tk8s.io/api v0.36.3 // indirect\n)";
        assert_eq!(version_of("k8s.io/api", block).unwrap(), "v0.36.3");
        assert_eq!(version_of("k8s.io/ap", block), None);
    }

    #[test]
    fn the_committed_modules_name_their_versions() {
        for source in [KUBERNETES, COREDNS, etcd("etcd-3.5"), etcd("etcd-3.6"), etcd("etcd-3.7")] {
            let folder = workspace().join("tests/programs").join(source.folder);
            let version = source.version(&folder).unwrap();
            assert!(source.folder.split('-').nth(1).is_none_or(|v| version[1..].starts_with(v)));
            assert_eq!(source.hash(&folder).unwrap().len(), 12);
        }
    }

    #[test]
    fn kubernetes_is_told_its_version() {
        let flags = KUBERNETES.linker_flags("v1.36.3");
        assert!(flags.contains("version.gitVersion=v1.36.3 "), "{flags}");
        assert!(flags.contains("gitMinor=36 "), "{flags}");
    }
}
