//! `serve`: what it needs from the rest of the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::sidecar::{SidecarConfig, paths};
use archive::layout::ArchivePath;
use etcd::User;

use crate::{
    backup::Backup,
    config::{Members, Owner, TlsFiles, Usage},
    serve::{self, ServeArgs, ServeError, Taker},
    told::Told,
};

/// Serves until it is told to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let (file, user) = (args.config.clone(), Option::<User>::try_from(args.user.clone())?);
    match serve::run(args, |config| taker(config, file, user)).await {
        Ok(()) => Ok(()),
        Err(ServeError::Usage(sentences)) => Err(Usage(sentences.join("\n")).into()),
        Err(ServeError::Failed(error)) => Err(error),
    }
}

fn taker(
    config: &SidecarConfig,
    file: PathBuf,
    user: Option<User>,
) -> anyhow::Result<Arc<dyn Taker>> {
    let cluster = &config.cluster;
    let archive = ArchivePath::new(&cluster.namespace, &cluster.name, &cluster.uid)?;
    let location = crate::config::location(&config.store)?;
    Ok(Arc::new(Backup {
        members: Members { endpoints: config.endpoints.clone(), tls: certificates(), user },
        owner: Owner::Known(archive),
        told: Told::In { config: file, known: config.into() },
        lock: location.lock(),
    }))
}

/// The operator mounts the Secret if the cluster's clients need certificates.
fn certificates() -> Option<TlsFiles> {
    let folder = Path::new(paths::ETCD_TLS);
    let authorities = folder.join("ca.crt");
    let own = [folder.join("tls.crt"), folder.join("tls.key")];
    authorities.exists().then(|| {
        let [chain, key] = own;
        TlsFiles { authorities, own: chain.exists().then_some((chain, key)) }
    })
}
