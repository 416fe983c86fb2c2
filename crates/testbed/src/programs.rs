//! Where the etcd programs under test lie.

use std::path::PathBuf;

/// A minor version of etcd that the operator supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3_5,
    V3_6,
    V3_7,
}

impl Version {
    /// As in file names: `3.6`.
    pub fn minor(self) -> &'static str {
        match self {
            Self::V3_5 => "3.5",
            Self::V3_6 => "3.6",
            Self::V3_7 => "3.7",
        }
    }

    /// The program's path. Panics with what to do when it is not there: a test that cannot run must
    /// not pass.
    pub fn program(self, name: &str) -> PathBuf {
        let variable = format!("ETCD_BIN_DIR_{}", self.minor().replace('.', "_"));
        let folder = std::env::var_os(&variable).map_or_else(|| self.cached(), PathBuf::from);
        let path = folder.join(name);
        assert!(
            path.is_file(),
            "{} is missing: run `cargo xtask kube up` once, which builds it, or set {variable} to a \
             folder that holds etcd, etcdctl and etcdutl {}",
            path.display(),
            self.minor(),
        );
        path
    }

    fn cached(self) -> PathBuf {
        cache().join(format!("etcd-{}", self.minor()))
    }
}

/// The project's folder in the user's cache.
pub(crate) fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    cache.expect("set XDG_CACHE_HOME or HOME: the programs are cached there").join("etcd-operator")
}
