//! The command line, checked: what is here can be used as it is.

use std::path::PathBuf;

use archive::{
    layout::{ArchivePath, BackupId},
    location::Location,
    manifest::Reason,
    retention::Policy,
};
use etcd::{Tls, TlsError, User};
use thiserror::Error;

use crate::args::{EtcdArgs, KeepArgs, ReasonArg};

/// Something on the command line that cannot be used. The sentence says what to write instead.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

/// How members are reached.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// At least one client URL.
    pub endpoints: Vec<String>,
    /// Files, because certificates are rotated: they are read for each backup.
    pub tls: Option<TlsFiles>,
    /// Who we are to an etcd with authentication on, beside what a client certificate says.
    pub user: Option<User>,
}

/// Where etcd's certificates lie.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub authorities: PathBuf,
    /// Certificate and key.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Reads and checks the files.
    pub fn read(&self) -> Result<Tls, TlsError> {
        let own = self.own.as_ref().map(|(chain, key)| (chain.as_path(), key.as_path()));
        Tls::from_files(&self.authorities, own)
    }
}

impl TryFrom<EtcdArgs> for Members {
    type Error = Usage;

    fn try_from(args: EtcdArgs) -> Result<Self, Usage> {
        let is_tls = args.cacert.is_some();
        let urls = args.endpoints.iter().filter(|url| !url.trim().is_empty());
        let endpoints = urls.map(|url| client_url("--endpoints", url, is_tls));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(Usage("--endpoints names nobody; write it as http://HOST:2379".into()));
        }
        let own = args.cert.zip(args.key);
        let tls = args.cacert.map(|authorities| TlsFiles { authorities, own });
        Ok(Self { endpoints, tls, user: args.user.try_into()? })
    }
}

/// A client URL of a member; as with etcdctl `HOST:PORT` will do.
pub(crate) fn client_url(flag: &str, url: &str, is_tls: bool) -> Result<String, Usage> {
    let url = url.trim();
    let url = match url.contains("://") {
        true => url.to_owned(),
        false if is_tls => format!("https://{url}"),
        false => format!("http://{url}"),
    };
    let bad = |what: &str| Err(Usage(format!("{flag} {url}: {what}")));
    let parsed = url::Url::parse(&url).ok().filter(url::Url::has_host);
    match parsed.as_ref().map(url::Url::scheme) {
        Some("https") if !is_tls => bad("https needs to know whom to trust; give --cacert FILE"),
        Some("http") if is_tls => bad("with --cacert it must begin with https://"),
        Some("http" | "https") => Ok(url),
        _ => bad("it cannot be used; write it as http://HOST:PORT or https://HOST:PORT"),
    }
}

/// Whose backups they are, as far as that is known before etcd has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A UID was given.
    Known(ArchivePath),
    /// The UID is made of the ID that etcd has for the cluster.
    ByEtcd {
        /// The name under which the backups are kept.
        cluster: String,
    },
}

impl Owner {
    /// Checked names. Without a UID the namespace must be that of clusters outside Kubernetes.
    pub fn new(namespace: &str, cluster: &str, uid: Option<&str>) -> Result<Self, Usage> {
        let outside = archive::layout::OUTSIDE_KUBERNETES;
        match uid {
            Some(uid) => ArchivePath::new(namespace, cluster, uid)
                .map(Self::Known)
                .map_err(|error| usage(&error)),
            None if namespace == outside => {
                ArchivePath::new(namespace, cluster, "etcd").map_err(|error| usage(&error))?;
                Ok(Self::ByEtcd { cluster: cluster.to_owned() })
            }
            None => Err(Usage(format!(
                "--namespace {namespace} is one of Kubernetes; give the Cluster's --uid too, or leave \
                 the namespace out"
            ))),
        }
    }

    /// The archive of the cluster with this ID.
    pub fn archive(&self, id: etcd::ClusterId) -> archive::Result<ArchivePath> {
        match self {
            Self::Known(path) => Ok(path.clone()),
            Self::ByEtcd { cluster } => ArchivePath::outside_kubernetes(cluster, id.0),
        }
    }
}

/// Reads `--store`. A URL that cannot be used is not repeated, for it may hold a secret.
pub(crate) fn location(url: &str) -> Result<Location, Usage> {
    url.parse().map_err(|error: archive::Error| Usage(format!("--store: {error}")))
}

/// Reads a backup's ID.
pub(crate) fn id(text: &str) -> Result<BackupId, Usage> {
    text.parse().map_err(|error| usage(&error))
}

fn usage(error: &archive::Error) -> Usage {
    Usage(error.to_string())
}

impl From<ReasonArg> for Reason {
    fn from(reason: ReasonArg) -> Self {
        match reason {
            ReasonArg::Scheduled => Self::Scheduled,
            ReasonArg::OnDemand => Self::OnDemand,
            ReasonArg::BeforeRecovery => Self::BeforeRecovery,
            ReasonArg::BeforeUpgrade => Self::BeforeUpgrade,
            ReasonArg::Final => Self::Final,
        }
    }
}

impl From<KeepArgs> for Policy {
    fn from(keep: KeepArgs) -> Self {
        Self {
            max_backups: keep.max_backups,
            keep_last: keep.keep_last,
            keep_hourly: keep.keep_hourly,
            keep_daily: keep.keep_daily,
            keep_weekly: keep.keep_weekly,
            keep_monthly: keep.keep_monthly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::UserArgs;

    fn members(endpoints: &[&str], cacert: Option<&str>) -> Result<Members, Usage> {
        let endpoints = endpoints.iter().map(ToString::to_string).collect();
        Members::try_from(EtcdArgs {
            endpoints,
            cacert: cacert.map(Into::into),
            cert: None,
            key: None,
            user: UserArgs::default(),
        })
    }

    #[test]
    fn endpoints_are_written_as_etcdctl_takes_them() {
        let plain = members(&["127.0.0.1:2379", " http://kv:2379"], None).unwrap();
        assert_eq!(plain.endpoints, ["http://127.0.0.1:2379", "http://kv:2379"]);
        let tls = members(&["10.0.0.1:2379"], Some("ca.crt")).unwrap();
        assert_eq!(tls.endpoints, ["https://10.0.0.1:2379"]);
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_named_with_what_to_do() {
        for (url, cacert, advice) in [
            ("https://kv:2379", None, "give --cacert FILE"),
            ("http://kv:2379", Some("ca.crt"), "it must begin with https://"),
            ("ftp://kv", None, "write it as http://HOST:PORT"),
            ("http://", None, "write it as http://HOST:PORT"),
        ] {
            let error = members(&[url], cacert).unwrap_err().to_string();
            assert!(error.contains(url) && error.contains(advice), "{error}");
        }
        assert!(members(&[""], None).unwrap_err().to_string().contains("names nobody"));
    }

    #[test]
    fn a_cluster_of_kubernetes_needs_its_uid() {
        let id = etcd::ClusterId(0xcdf8);
        let outside = Owner::new("_", "kv", None).unwrap().archive(id).unwrap();
        assert_eq!(outside.to_string(), "_/kv/etcd-000000000000cdf8");
        let inside = Owner::new("shop", "kv", Some("0e1f")).unwrap().archive(id).unwrap();
        assert_eq!(inside.to_string(), "shop/kv/0e1f");
        assert!(Owner::new("shop", "kv", None).unwrap_err().to_string().contains("--uid"));
        assert!(Owner::new("_", "../kv", None).unwrap_err().to_string().contains("cluster"));
    }
}
