//! What the operator was started with for backups.

use anyhow::{bail, ensure};

use crate::args::Args;

/// What holds for the backups of all clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The operator's namespace: its authority and the Secrets of its flags are there.
    pub namespace: String,
    /// Image of the sidecar.
    pub sidecar_image: String,
    /// The bucket of clusters that write `s3: {}`.
    pub bucket: Option<Bucket>,
    /// The class of backup volumes whose spec names none.
    pub volumes: Volumes,
}

/// The bucket that the operator was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Secret in the operator's namespace with an AWS credentials file under `credentials`.
    pub secret: String,
    /// `ConfigMap` in the operator's namespace with an AWS configuration file under `config`.
    pub config: String,
}

/// What `--pv-provisioner` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volumes {
    /// Nothing: the cluster's default class.
    DefaultClass,
    /// The class of the seed's name for a provisioner.
    Class(String),
    /// `none`: no backups on volumes.
    Refused,
}

impl Defaults {
    /// Checks the flags.
    pub fn check(args: &Args) -> anyhow::Result<Self> {
        ensure!(!args.sidecar_image.is_empty(), "--sidecar-image must not be empty");
        Ok(Self {
            namespace: args.lease_namespace.clone(),
            sidecar_image: args.sidecar_image.clone(),
            bucket: bucket(args)?,
            volumes: volumes(&args.pv_provisioner),
        })
    }
}

/// All three or none, as in the seed.
fn bucket(args: &Args) -> anyhow::Result<Option<Bucket>> {
    let flags = [&args.backup_s3_bucket, &args.backup_aws_secret, &args.backup_aws_config];
    if flags.iter().all(|flag| flag.is_empty()) {
        return Ok(None);
    }
    if flags.iter().any(|flag| flag.is_empty()) {
        bail!(
            "--backup-aws-secret, --backup-aws-config and --backup-s3-bucket belong together: give \
             all three or none"
        );
    }
    Ok(Some(Bucket {
        name: args.backup_s3_bucket.clone(),
        secret: args.backup_aws_secret.clone(),
        config: args.backup_aws_config.clone(),
    }))
}

/// The seed made a class `etcd-backup-` and the last part of the provisioner's name. Ours has no
/// right to make one; one of that name is used.
fn volumes(provisioner: &str) -> Volumes {
    match provisioner {
        "" => Volumes::DefaultClass,
        "none" => Volumes::Refused,
        name => {
            let last = name.rsplit('/').next().unwrap_or(name);
            Volumes::Class(format!("etcd-backup-{last}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn check(flags: &[&str]) -> anyhow::Result<Defaults> {
        let base = [
            "etcd-operator",
            "--lease-namespace=ops",
            "--pod-name=one",
            "--init-image=guard:1",
            "--sidecar-image=sidecar:1",
        ];
        Defaults::check(&Args::parse_from(base.iter().chain(flags)))
    }

    #[test]
    fn two_of_the_three_flags_are_refused() {
        let error = check(&["--backup-aws-secret=aws", "--backup-s3-bucket=b"]).unwrap_err();
        assert!(error.to_string().contains("all three or none"), "{error}");
        let all =
            ["--backup-aws-secret=aws", "--backup-aws-config=c", "--backup-s3-bucket=backups"];
        assert_eq!(check(&all).unwrap().bucket.unwrap().name, "backups");
        assert_eq!(check(&[]).unwrap().bucket, None);
    }

    #[test]
    fn a_provisioner_names_the_class_of_the_seed() {
        let class = |flag| check(&[flag]).unwrap().volumes;
        assert_eq!(
            class("--pv-provisioner=kubernetes.io/aws-ebs"),
            Volumes::Class("etcd-backup-aws-ebs".into())
        );
        assert_eq!(class("--pv-provisioner=none"), Volumes::Refused);
        assert_eq!(check(&[]).unwrap().volumes, Volumes::DefaultClass);
    }
}
