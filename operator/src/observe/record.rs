//! What the status remembers.

use std::collections::BTreeSet;

use api::v1beta1::{Cluster, ClusterStatus, Role};
use etcd::ClusterId;
use planner::name::ClusterName;
use planner::{LastSeen, Record};

use super::Nodes;
use crate::record;

/// More pods than are made between two writes of the members' rows.
const LATEST: u32 = 8;

/// Reads the status back. A number that cannot be one counts as none: the pods and etcd's member
/// list still say which numbers are used.
pub fn read(cluster: &Cluster, name: &ClusterName, nodes: &Nodes) -> Record {
    let empty = ClusterStatus::default();
    let status = cluster.status.as_ref().unwrap_or(&empty);
    let members = status.member_statuses.iter().filter_map(|row| {
        let node = row.node.as_deref().map_or(planner::NodeState::Ready, |node| nodes.state(node));
        let voter = matches!(row.role, Role::Leader | Role::Follower);
        Some((name.number(&row.name)?, LastSeen { voter, node }))
    });
    let recoveries = u32::try_from(status.recoveries).unwrap_or_default();
    Record {
        next_number: u32::try_from(status.next_member).unwrap_or_default(),
        served: status.served,
        cluster_id: cluster_id(cluster).map(|id| id.0),
        reached_size: usize::try_from(status.reached_size).unwrap_or_default(),
        members: members.collect(),
        recoveries,
        restore: status
            .restore
            .as_ref()
            .and_then(|restore| record::read(restore, recoveries, name)),
    }
}

/// The etcd cluster ID that was seen when the cluster first served.
pub fn cluster_id(cluster: &Cluster) -> Option<ClusterId> {
    let id = cluster.status.as_ref()?.cluster_id.as_deref()?;
    record::number(id).map(ClusterId)
}

/// The members that the status remembers, and the numbers that were used last: a pod that was made since
/// has one of these.
pub fn numbers(cluster: &Cluster, name: &ClusterName) -> BTreeSet<u32> {
    let Some(status) = &cluster.status else { return BTreeSet::new() };
    let next = u32::try_from(status.next_member).unwrap_or_default();
    let rows = status.member_statuses.iter().filter_map(|row| name.number(&row.name));
    rows.chain(next.saturating_sub(LATEST)..next).collect()
}

/// The nodes that the status remembers.
pub fn nodes(cluster: &Cluster) -> impl Iterator<Item = String> {
    let rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
    rows.filter_map(|row| row.node.clone())
}
