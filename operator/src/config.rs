//! The checked configuration.

use std::net::SocketAddr;

use anyhow::{Context, ensure};

use crate::args::Args;
use crate::backup::Defaults;

/// What the operator runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The one namespace that is looked after; all when absent.
    pub namespace: Option<String>,
    /// Whether nodes are looked at.
    pub watches_nodes: bool,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Name of this replica.
    pub pod_name: String,
    /// Image of the guard.
    pub init_image: String,
    /// What holds for all backups.
    pub backup: Defaults,
    /// Address of probes and metrics.
    pub listen: SocketAddr,
}

impl Config {
    /// Checks what the user typed.
    pub fn check(args: &Args) -> anyhow::Result<Self> {
        let listen = args.listen.parse().with_context(|| {
            format!("--listen {} is not an address such as 0.0.0.0:8080", args.listen)
        })?;
        for (flag, value) in [
            ("--lease-namespace", &args.lease_namespace),
            ("--pod-name", &args.pod_name),
            ("--init-image", &args.init_image),
        ] {
            ensure!(!value.is_empty(), "{flag} must not be empty");
        }
        // An empty variable is how a manifest says "all".
        let namespace = args.namespace.clone().filter(|namespace| !namespace.is_empty());
        Ok(Self {
            watches_nodes: args.watch_nodes || namespace.is_none(),
            namespace,
            lease_namespace: args.lease_namespace.clone(),
            pod_name: args.pod_name.clone(),
            init_image: args.init_image.clone(),
            backup: Defaults::check(args)?,
            listen,
        })
    }
}
