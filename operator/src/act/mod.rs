//! Doing one step of a plan. The decision was made on a fresh look; here is only I/O.
//!
//! Every step can be repeated: what is there already counts as done. A refusal of etcd that means
//! "not yet" is an outcome, not an error.

mod membership;
mod pods;
mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use api::annotations;
use api::v1beta1::{Cluster, ClusterStatus};
use kube::{Client, ResourceExt};
use planner::Step;

use crate::backup::SidecarClient;
use crate::error::Error;
use crate::observe::Sight;
use crate::validate::Validated;
use crate::{fault_points, objects, status};

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, now or before.
    Done,
    /// etcd says: not yet.
    NotYet(String),
}

/// What a step is done with.
pub struct Actor<'a> {
    /// The Kubernetes API.
    pub client: &'a Client,
    /// Image of the guard.
    pub init_image: &'a str,
    /// The cluster as it shall be.
    pub cluster: &'a Validated,
    /// Calls the cluster's backup sidecar; only an order needs it.
    pub sidecar: Option<Arc<SidecarClient>>,
    /// What was seen; its cluster object is replaced when the status is written.
    pub sight: &'a mut Sight,
}

impl Actor<'_> {
    /// Does one step.
    pub async fn act(&mut self, step: &Step) -> Result<Outcome, Error> {
        fault_points::before(step);
        let outcome = Box::pin(self.take(step)).await;
        fault_points::after(step);
        outcome
    }

    async fn take(&mut self, step: &Step) -> Result<Outcome, Error> {
        match step {
            Step::CreateSeed { number, restore: None } => self.create_seed(*number).await,
            Step::CreateJoiner { number, initial } => {
                self.create_joiner(*number, initial.iter().copied().collect()).await
            }
            Step::MarkServed { number } => self.mark_served(*number).await,
            Step::RecordServed { cluster_id } => self.record_served(*cluster_id).await,
            Step::DeletePod { number } => self.delete_pod(*number).await,
            Step::AddLearner { number } => self.add_learner(*number).await,
            Step::Promote { id, .. } => self.promote(*id).await,
            Step::RemoveMember { id, .. } => self.remove_member(*id).await,
            Step::MoveLeader { to, .. } => self.move_leader(*to).await,
            Step::CreateSeed { number, restore: Some(backup) } => {
                self.create_restored(*number, backup).await
            }
            Step::RecordRestore(restore) => self.record_restore(restore).await,
            Step::OrderSnapshot { number, id } => self.order_snapshot(*number, id).await,
            Step::FinishRestore { cluster_id, number } => {
                self.finish_restore(*cluster_id, *number).await?;
                // Whoever pauses the cluster from here on finds one that clients reach.
                objects::admit(self.client, self.sight).await.map(|()| Outcome::Done)
            }
            Step::AbortRecovery => self.abort_recovery().await,
        }
    }

    async fn record_served(&mut self, cluster_id: u64) -> Result<Outcome, Error> {
        let runs = self
            .sight
            .pods
            .values()
            .find_map(|pod| pod.annotations().get(annotations::ETCD_VERSION).cloned());
        self.remember(|status| {
            // From now on it is kept, whatever the spec says by then.
            status.current_version = runs.or(status.current_version.take());
            status.served = true;
            status.cluster_id = Some(etcd::ClusterId(cluster_id).to_string());
        })
        .await
    }

    /// Writes down that a number is used, before it is: a number must never be used twice, whatever
    /// happens after this.
    async fn reserve(&mut self, number: u32) -> Result<Outcome, Error> {
        let version = self.cluster.version.clone();
        let next = i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1);
        let reserved = self
            .remember(|status| {
                status.next_member = status.next_member.max(next);
                status.current_version = Some(version);
            })
            .await;
        fault::point("reserved");
        reserved
    }

    async fn remember(
        &mut self,
        change: impl FnOnce(&mut ClusterStatus) + Send,
    ) -> Result<Outcome, Error> {
        let cluster: &Cluster = &self.sight.cluster;
        let mut changed = cluster.status.clone().unwrap_or_default();
        change(&mut changed);
        let written: Arc<Cluster> = status::write(self.client, cluster, changed).await?;
        self.sight.cluster = written;
        Ok(Outcome::Done)
    }
}
