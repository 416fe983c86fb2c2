//! The command line of `run`, checked: what is here can be used as it is.

use std::path::PathBuf;

use archive::{
    digest::Digest,
    layout::{ArchivePath, BackupId},
    location::Location,
};
use url::Url;

use super::{args::RunArgs, problem::Problem};

/// What a restore works with.
#[derive(Debug)]
pub(crate) struct Config {
    pub from: From,
    /// Nothing means the newest.
    pub backup: Option<BackupId>,
    pub manifest_digest: Option<Digest>,
    pub uid: Option<String>,
    /// Absolute, and without a slash at its end.
    pub data_dir: PathBuf,
    pub member: Member,
    /// What is added to the last revision; nothing to keep revisions as they are.
    pub bump: Option<u64>,
    /// Nothing means to look for it.
    pub etcdutl: Option<PathBuf>,
    pub restore_id: String,
}

/// Where the backup is.
#[derive(Debug)]
pub(crate) enum From {
    /// A store, and the cluster whose archive is meant.
    Store { location: Location, namespace: String, cluster: String },
    /// A backup sidecar, by mutual TLS.
    Sidecar { url: Url, tls_dir: PathBuf },
}

/// The member of a new cluster that the data directory is for, in etcdutl's own terms.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: String,
    pub peer_urls: String,
    pub cluster: String,
    pub token: String,
}

impl TryFrom<RunArgs> for Config {
    type Error = Problem;

    fn try_from(args: RunArgs) -> Result<Self, Problem> {
        let backup = match args.backup.as_str() {
            "latest" => None,
            id => Some(id.parse().map_err(usage)?),
        };
        if backup.is_none() && args.manifest_digest.is_some() {
            return Err(usage("--manifest-digest pins one backup; name it by --backup"));
        }
        let manifest_digest = args.manifest_digest.as_deref().map(str::parse).transpose();
        Ok(Self {
            from: from(&args)?,
            backup,
            manifest_digest: manifest_digest.map_err(usage)?,
            data_dir: std::path::absolute(&args.data_dir).map_err(usage)?.components().collect(),
            member: member(&args)?,
            bump: (!args.keep_revisions && args.bump_revision > 0).then_some(args.bump_revision),
            etcdutl: args.etcdutl,
            restore_id: args.restore_id.unwrap_or(format!("{} of {}", args.backup, args.from)),
            uid: args.uid,
        })
    }
}

fn from(args: &RunArgs) -> Result<From, Problem> {
    if args.from.starts_with("https:") {
        let url = Url::parse(&args.from).map_err(|error| usage(format!("--from: {error}")))?;
        let missing =
            "a sidecar is asked by mutual TLS; give --tls-dir with tls.crt, tls.key, ca.crt";
        let tls_dir = args.tls_dir.clone().ok_or_else(|| usage(missing))?;
        return Ok(From::Sidecar { url, tls_dir });
    }
    let location = args.from.parse().map_err(usage)?;
    let missing = "a store may keep many clusters' backups; give --cluster, and --namespace too if it ran \
                   in Kubernetes";
    let cluster = args.cluster.clone().ok_or_else(|| usage(missing))?;
    ArchivePath::folder_of_name(&args.namespace, &cluster).map_err(usage)?;
    Ok(From::Store { location, namespace: args.namespace.clone(), cluster })
}

fn member(args: &RunArgs) -> Result<Member, Problem> {
    let (name, peer_urls) = (args.name.clone(), args.initial_advertise_peer_urls.clone());
    let cluster = args.initial_cluster.clone().unwrap_or_else(|| {
        let urls = peer_urls.split(',').map(|url| format!("{name}={url}"));
        urls.collect::<Vec<_>>().join(",")
    });
    let is_alone = cluster.split(',').all(|entry| entry.split('=').next() == Some(&name));
    let token = match &args.initial_cluster_token {
        Some(token) => token.clone(),
        None if is_alone => format!("restored-{:016x}", fastrand::u64(..)),
        None => {
            return Err(usage(
                "members that are restored together need one token; give each the same new \
                 --initial-cluster-token",
            ));
        }
    };
    Ok(Member { name, peer_urls, cluster, token })
}

#[allow(clippy::needless_pass_by_value, reason = "it stands alone in map_err")]
fn usage(what: impl ToString) -> Problem {
    Problem::Usage(what.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn config(flags: &[&str]) -> Result<Config, String> {
        let given = ["etcd-restore-init", "run", "--data-dir=/var/etcd/data/"];
        let args = Args::try_parse_from(given.iter().chain(flags));
        let Command::Run(args) = args.map_err(|error| error.to_string())?.command else { panic!() };
        Config::try_from(*args).map_err(|error| error.to_string())
    }

    const SIDECAR: [&str; 2] = ["--from=https://kv.shop.svc:19999", "--tls-dir=/tls"];

    #[test]
    fn what_is_not_given_is_chosen_so_that_a_person_can_use_it() {
        let config = config(&[&SIDECAR[..], &["--name=fig"]].concat()).unwrap();
        assert_eq!(config.member.cluster, "fig=http://localhost:2380");
        assert_eq!(config.member.token.len(), "restored-".len() + 16);
        assert_eq!(config.bump, Some(1_000_000_000));
        assert_eq!(config.data_dir.to_str(), Some("/var/etcd/data"));
        assert_eq!(config.restore_id, "latest of https://kv.shop.svc:19999");
    }

    #[test]
    fn what_cannot_be_used_is_answered_by_what_to_write() {
        for (flags, words) in [
            (&["--from=https://kv.shop.svc:19999"][..], "give --tls-dir"),
            (&["--from=file:///backups"], "give --cluster"),
            (&["--from=file:///backups", "--cluster=../x"], "cannot be a part of a path"),
            (&[SIDECAR[0], SIDECAR[1], "--backup=7"], "is no backup's ID"),
            (
                &[SIDECAR[0], SIDECAR[1], &format!("--manifest-digest={:064}", 0)],
                "name it by --backup",
            ),
            (&[SIDECAR[0], SIDECAR[1], "--initial-cluster=a=http://a,b=http://b"], "the same new"),
            (
                &[SIDECAR[0], SIDECAR[1], "--keep-revisions", "--bump-revision=7"],
                "cannot be used with",
            ),
        ] {
            let error = config(flags).unwrap_err();
            assert!(error.contains(words), "{flags:?}: {error}");
        }
    }
}
