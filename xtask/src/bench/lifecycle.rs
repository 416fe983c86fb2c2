//! How long the operator takes: to create, and to heal.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use api::ports;
use api::v1beta1::{Cluster, Role};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};

use crate::cluster::{
    Address, Connect, Namespace, Writer, at_once, is_ready, is_whole, member_names, within,
};

const CLUSTER: &str = "bench";
/// The sizes that are created.
const SIZES: [i32; 2] = [3, 5];
const LIMIT: Duration = Duration::from_mins(5);
/// How exactly the moment is known at which the operator acts.
const GLANCE: Duration = Duration::from_millis(10);

/// A cluster came up.
pub(super) struct Created {
    /// From apply until every member is ready and votes.
    pub(super) seconds: f64,
    /// Puts to the first member that failed or took over a second meanwhile.
    pub(super) failed_puts: u32,
}

/// A cluster lost its leader.
pub(super) struct Healed {
    /// From the deletion of the pod until three vote again.
    pub(super) seconds: f64,
    /// Until the operator removed the lost member from etcd.
    pub(super) reaction: f64,
    /// Puts to another member that failed or took over a second meanwhile.
    pub(super) failed_puts: u32,
    /// The longest time without an acknowledged put, in seconds.
    pub(super) longest_gap: f64,
}

/// A namespace of its own for each measurement: members under names that were used before would be
/// measured by how long DNS remembers the addresses of those.
fn namespace(size: i32, run: u8) -> String {
    format!("bench-operator-{size}-{run}")
}

/// All namespaces that so many runs make.
pub(super) fn namespaces(runs: u8) -> impl Iterator<Item = String> {
    (1..=runs).flat_map(|run| SIZES.map(|size| namespace(size, run)))
}

/// Creates a cluster of five in a namespace that goes afterwards.
pub(super) async fn create_five(client: &Client, run: u8) -> Result<Created> {
    let [_, size] = SIZES;
    let namespace = Namespace::create(client, &namespace(size, run)).await?;
    let created = create_in(&namespace, size).await;
    namespace.delete().await?;
    created
}

/// Creates a cluster of three and kills its leader.
pub(super) async fn create_and_heal(client: &Client, run: u8) -> Result<(Created, Healed)> {
    let [size, _] = SIZES;
    let namespace = Namespace::create(client, &namespace(size, run)).await?;
    let both = async {
        let created = create_in(&namespace, size).await?;
        Ok((created, Box::pin(heal_in(&namespace)).await?))
    };
    let both = Box::pin(both).await;
    namespace.delete().await?;
    both
}

async fn create_in(namespace: &Namespace, size: i32) -> Result<Created> {
    let start = Instant::now();
    namespace.apply(CLUSTER, size).await?;
    let serves = |cluster: &Cluster| cluster.status.as_ref().is_some_and(|status| status.served);
    namespace.until(CLUSTER, LIMIT, |_| {}, serves).await?;
    let pods = namespace.member_pods(CLUSTER).await?;
    let first = pods.iter().min_by_key(|pod| pod.name_any()).context("no pod was made")?;
    let writer = Writer::start(Address(url(first)?));
    namespace.until(CLUSTER, LIMIT, |_| {}, is_whole).await?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Created { seconds, failed_puts: writer.stop().await?.failed })
}

async fn heal_in(namespace: &Namespace) -> Result<Healed> {
    let whole = namespace.until(CLUSTER, LIMIT, |_| {}, is_whole).await?;
    let leader = leader(&whole)?;
    let pods = namespace.member_pods(CLUSTER).await?;
    let others = pods.iter().filter(|pod| pod.name_any() != leader && is_ready(pod));
    let other = url(others.into_iter().next().context("no other member is ready")?)?;
    let writer = Writer::start(Address(other.clone()));
    writer.wait_for(50, LIMIT).await?;
    writer.tally();
    let start = Instant::now();
    let all: Api<Pod> = namespace.all();
    within("killing the leader", all.delete(&leader, &at_once())).await?;
    let is_healed = |now: &Cluster| is_whole(now) && !member_names(now).contains(&leader);
    let (reaction, healed) = tokio::join!(
        until_removed(&other, &leader, start),
        namespace.until(CLUSTER, LIMIT, |_| {}, is_healed)
    );
    healed?;
    let seconds = start.elapsed().as_secs_f64();
    let tally = writer.stop().await?;
    let longest_gap = tally.longest_gap.as_secs_f64();
    Ok(Healed { seconds, reaction: reaction?, failed_puts: tally.failed, longest_gap })
}

/// When the member was no longer in the list of another one, which needs no quorum to tell.
async fn until_removed(other: &str, member: &str, start: Instant) -> Result<f64> {
    let looking = async {
        let client = Address(other.to_owned()).connect().await?;
        loop {
            let there = client.member_list_serializable().await?;
            if there.members.iter().all(|there| there.name != member) {
                return Ok(start.elapsed().as_secs_f64());
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    Box::pin(tokio::time::timeout(LIMIT, looking))
        .await
        .context("the member was not removed in time")?
}

fn leader(cluster: &Cluster) -> Result<String> {
    let mut rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
    let leader = rows.find(|row| row.role == Role::Leader);
    Ok(leader.context("the status names no leader")?.name.clone())
}

/// A member is written to by its own address, so that nothing in between hides a failure.
fn url(pod: &Pod) -> Result<String> {
    let ip = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    Ok(format!("http://{}:{}", ip.context("the pod has no address")?, ports::CLIENT))
}
