//! Who works: the replica that holds the Lease.

use std::time::Duration;

use anyhow::Context;
use kube::Client;
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
    state: watch::Receiver<bool>,
    task: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
}

impl Election {
    /// Stands for election.
    pub async fn enter(client: &Client, config: &Config) -> anyhow::Result<Self> {
        let manager = LeaseManagerBuilder::new(client.clone(), NAME)
            .with_namespace(&config.lease_namespace)
            .with_identity(&config.pod_name)
            .with_field_manager(api::FIELD_MANAGER)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await
            .with_context(|| {
                format!("the Lease {NAME} in namespace {} cannot be used", config.lease_namespace)
            })?;
        let (state, task) = manager.watch().await;
        Ok(Self { state, task })
    }

    /// Returns once this replica holds the Lease.
    pub async fn won(&mut self) -> anyhow::Result<()> {
        self.until(true).await
    }

    /// Returns once this replica does not hold the Lease any more: it must stop at once.
    pub async fn lost(&mut self) -> anyhow::Result<()> {
        self.until(false).await
    }

    async fn until(&mut self, wanted: bool) -> anyhow::Result<()> {
        self.state.wait_for(|holds| *holds == wanted).await.context("the Lease is not watched")?;
        Ok(())
    }

    /// Gives the Lease up, so that another replica need not wait for it to expire.
    pub async fn leave(self) {
        drop(self.state);
        if matches!(tokio::time::timeout(RELEASE, self.task).await, Ok(Ok(Ok(_)))) {
            tracing::info!("released the lease");
        } else {
            tracing::warn!("the lease could not be released and expires by itself");
        }
    }
}
