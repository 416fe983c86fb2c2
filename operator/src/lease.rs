//! Who works: the replica that holds the Lease.
//!
//! The lease manager renews, expires and takes over. Beside it the Lease is watched: who holds it
//! learns at once that it is another's or gone, and who waits stands anew as soon as it is free.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::{WatchStreamExt, watcher::watch_object};
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;

/// Name of the Lease.
const NAME: &str = "etcd-operator";
/// After this many seconds without renewal another replica takes over (client-go's default).
const DURATION: u64 = 15;
/// Renewed this many seconds before that.
const GRACE: u64 = 5;
/// The lease is released within this time, or left to expire.
const RELEASE: Duration = Duration::from_secs(2);

/// A place in the election.
pub struct Election {
    client: Client,
    namespace: String,
    replica: String,
    candidacy: Candidacy,
    holders: BoxStream<'static, Holder>,
    /// What the watch told last.
    seen: Holder,
}

/// Who holds the Lease, as the watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// There is no Lease: somebody has deleted it.
    Gone,
    /// Nobody: it was given up.
    Nobody,
    /// This replica.
    Replica(String),
}

impl Election {
    /// Stands for election.
    pub async fn enter(client: &Client, config: &Config) -> Result<Self> {
        let (namespace, replica) = (config.lease_namespace.clone(), config.pod_name.clone());
        let candidacy = Candidacy::stand(client, &namespace, &replica).await?;
        let holders = holders(Api::namespaced(client.clone(), &namespace));
        let seen = Holder::Nobody;
        Ok(Self { client: client.clone(), namespace, replica, candidacy, holders, seen })
    }

    /// Returns once this replica holds the Lease.
    pub async fn won(&mut self) -> Result<()> {
        loop {
            let now = tokio::select! {
                won = self.candidacy.until(true) => return won,
                now = self.holders.next() => now.context("the watch of the Lease ended")?,
            };
            // The manager asks again only when the Lease would expire, and never makes it anew.
            if now == Holder::Gone || (now == Holder::Nobody && now != self.seen) {
                self.candidacy.withdraw();
                self.candidacy =
                    Candidacy::stand(&self.client, &self.namespace, &self.replica).await?;
            }
            self.seen = now;
        }
    }

    /// Returns once this replica does not hold the Lease any more: it must stop at once.
    pub async fn lost(&mut self) -> Result<()> {
        let Self { candidacy, holders, replica, seen, .. } = self;
        let taken = async {
            loop {
                let now = holders.next().await.context("the watch of the Lease ended")?;
                // Until the watch has told of this replica, it may tell of those before.
                let is_news = now == Holder::Gone || *seen == Holder::Replica(replica.clone());
                if is_news && now != Holder::Replica(replica.clone()) {
                    return Ok(());
                }
                *seen = now;
            }
        };
        tokio::select! {
            lost = candidacy.until(false) => lost,
            taken = taken => taken,
        }
    }

    /// Gives the Lease up, so that another replica need not wait for it to expire.
    pub async fn leave(self) {
        let Candidacy { state, task } = self.candidacy;
        drop(state);
        if matches!(tokio::time::timeout(RELEASE, task).await, Ok(Ok(Ok(_)))) {
            tracing::info!("released the lease");
        } else {
            tracing::warn!("the lease could not be released and expires by itself");
        }
    }
}

/// A lease manager at work.
struct Candidacy {
    state: watch::Receiver<bool>,
    task: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Candidacy {
    /// Makes the Lease if there is none, and asks for it at once.
    async fn stand(client: &Client, namespace: &str, replica: &str) -> Result<Self> {
        let manager = LeaseManagerBuilder::new(client.clone(), NAME)
            .with_namespace(namespace)
            .with_identity(replica)
            // Each replica's own: by the conflict of two managers one learns that the other was first.
            .with_field_manager(format!("{}-{replica}", api::FIELD_MANAGER))
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await
            .with_context(|| format!("the Lease {NAME} in namespace {namespace} cannot be used"))?;
        let (state, task) = manager.watch().await;
        Ok(Self { state, task })
    }

    async fn until(&mut self, wanted: bool) -> Result<()> {
        self.state.wait_for(|holds| *holds == wanted).await.context("the Lease is not watched")?;
        Ok(())
    }

    /// Ends it without a release, which would also undo what another replica has won meanwhile.
    fn withdraw(&mut self) {
        self.task.abort();
    }
}

/// Tells who holds the Lease: at first, and at every change of it.
fn holders(api: Api<Lease>) -> BoxStream<'static, Holder> {
    let seen: Pin<Box<dyn Stream<Item = _> + Send>> =
        Box::pin(watch_object(api, NAME).default_backoff());
    // A watch that broke begins again by itself.
    seen.filter_map(|seen| std::future::ready(seen.ok().map(|lease| holder(lease.as_ref()))))
        .boxed()
}

fn holder(lease: Option<&Lease>) -> Holder {
    let Some(lease) = lease else { return Holder::Gone };
    let identity = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
    identity.filter(|name| !name.is_empty()).map_or(Holder::Nobody, Holder::Replica)
}
