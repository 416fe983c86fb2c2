//! The whole way back on the local Kubernetes: from the loss of a majority to the first write that the
//! cluster acknowledges again, by the operator alone, with a database of some size and a bucket.

use std::time::{Duration, Instant};

use ::tests::progress::Progress;
use anyhow::{Context, Result, bail};
use api::ports;
use api::v1beta1::{Cluster, Role};
use etcd::{Endpoint, MemberClient, Timeouts};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::bench::backup::data;
use crate::bench::figure::{Figure, Figures};
use crate::cluster::{Namespace, Operator, Store, at_once, is_whole, manifests, within};

const CLUSTER: &str = "bench";
const SIZE: usize = 3;
const BACKUP: &str = "last";
const LIMIT: Duration = Duration::from_mins(5);
/// How exactly the moment of the first write is known.
const GLANCE: Duration = Duration::from_millis(50);
/// A put that is not answered by then is made again, perhaps to another member.
const IMPATIENT: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    read: Duration::from_millis(500),
    change: Duration::from_secs(1),
    kv: Duration::from_millis(500),
};

/// What is lost.
#[derive(Clone, Copy)]
enum Loss {
    /// All members: the newest backup comes back.
    All,
    /// All but the leader: what that one has comes back.
    AllButOne,
}

impl Loss {
    const EACH: [Self; 2] = [Self::All, Self::AllButOne];

    /// Names of members are not used twice: DNS remembers their addresses for a while.
    fn namespace(self, run: u8) -> String {
        let what = match self {
            Self::All => "all",
            Self::AllButOne => "two",
        };
        format!("bench-restore-{what}-{run}")
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::All => "all three members lost: the first put",
            Self::AllButOne => "two of three members lost: the first put",
        }
    }
}

/// Measures inside the local Kubernetes and prints.
pub(super) async fn run(megabytes: u64, runs: u8, json: bool) -> Result<()> {
    let client = Client::try_default().await.context("connecting to the local Kubernetes")?;
    let progress = Progress::new();
    let operator = Operator::new(&client, None);
    let was_there = operator.is_there().await?;
    let deploying = operator.deploy_locally();
    progress.step("deploy the operator", Duration::from_secs(10), deploying).await?;
    let measured = tokio::select! {
        measured = measure(&client, megabytes, runs, &progress) => measured,
        signal = tokio::signal::ctrl_c() => signal.context("waiting for Ctrl-C").and_then(|()| bail!("ended by Ctrl-C")),
    };
    for name in (1..=runs).flat_map(|run| Loss::EACH.map(|loss| loss.namespace(run))) {
        Namespace::existing(&client, &name).delete().await?;
    }
    if !was_there {
        operator.delete(&manifests("operator")).await?;
    }
    let figures = Figures { runs, figures: measured? };
    if json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("{megabytes} MB, on Kubernetes\n{figures}");
    }
    Ok(())
}

async fn measure(
    client: &Client,
    megabytes: u64,
    runs: u8,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for loss in Loss::EACH {
        let mut took = Vec::new();
        for run in 1..=runs {
            let namespace = Namespace::create(client, &loss.namespace(run)).await?;
            // It ends with the measurement; the namespace needs it no more.
            let store = Store::start_locally(&namespace).await?;
            let one = Box::pin(one(&namespace, &store, loss, megabytes, progress)).await;
            namespace.delete().await?;
            took.push(one?);
        }
        figures.push(Figure::new(loss.in_words(), "s", Some(30.0), took));
    }
    Ok(figures)
}

/// Seconds from the loss to the first put.
async fn one(
    namespace: &Namespace,
    store: &Store,
    loss: Loss,
    megabytes: u64,
    progress: &Progress,
) -> Result<f64> {
    let preparing = Box::pin(prepare(namespace, store, megabytes));
    let expected = Duration::from_secs(15 + megabytes / 10);
    let whole = progress.step("a cluster with a backup", expected, preparing).await?;
    let leader = leader(&whole)?;
    let there = namespace.member_pods(CLUSTER).await?;
    let victims: Vec<String> = there
        .iter()
        .map(ResourceExt::name_any)
        .filter(|name| matches!(loss, Loss::All) || *name != leader)
        .collect();
    let start = Instant::now();
    let pods: Api<Pod> = namespace.all();
    for name in &victims {
        within("killing a member", pods.delete(name, &at_once())).await?;
    }
    let told = |message: &str| {
        progress.say(&format!("        {:5.1} s  {message}", start.elapsed().as_secs_f64()));
    };
    let came_back = async {
        first_put(namespace, &there).await?;
        Ok(start.elapsed().as_secs_f64())
    };
    let following = namespace.until(CLUSTER, LIMIT, told, |_| false);
    let waiting = async {
        tokio::select! {
            seconds = came_back => seconds,
            ended = following => ended.and_then(|_| bail!("it was followed to no end")),
        }
    };
    progress.step(loss.in_words(), Duration::from_secs(20), Box::pin(waiting)).await
}

/// A whole cluster with so much in it and a backup of that.
async fn prepare(namespace: &Namespace, store: &Store, megabytes: u64) -> Result<Cluster> {
    let mut policy = store.policy();
    if let Some(policy) = policy.as_object_mut() {
        policy.insert("backupIntervalInSecond".into(), json!(3600));
    }
    namespace.apply_spec(CLUSTER, &json!({"size": SIZE, "backup": policy})).await?;
    namespace.until(CLUSTER, LIMIT, |_| {}, is_whole).await?;
    let pods = namespace.member_pods(CLUSTER).await?;
    let first = pods.iter().find_map(url).context("no member has an address")?;
    Box::pin(data::fill(&first, megabytes * 1_000_000)).await?;
    namespace.back_up(CLUSTER, BACKUP).await?;
    let stored = async {
        while !is_stored(namespace).await? {
            tokio::time::sleep(GLANCE).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, stored).await.context("the backup was not stored in time")??;
    namespace.until(CLUSTER, LIMIT, |_| {}, is_whole).await
}

async fn is_stored(namespace: &Namespace) -> Result<bool> {
    Ok(namespace.stored(CLUSTER).await?.iter().any(|backup| backup.name_any() == BACKUP))
}

/// Returns once any member has acknowledged a put.
async fn first_put(namespace: &Namespace, lost: &[Pod]) -> Result<()> {
    let is_old = |pod: &Pod| lost.iter().any(|old| old.uid() == pod.uid());
    let putting = async {
        loop {
            let pods = namespace.member_pods(CLUSTER).await?;
            for url in pods.iter().filter(|pod| !is_old(pod)).filter_map(url) {
                if Box::pin(put(url)).await.is_ok() {
                    return Ok(());
                }
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(LIMIT, putting).await.context("no put was acknowledged in time")?
}

async fn put(url: String) -> Result<()> {
    let client = MemberClient::connect(&Endpoint { url, server_name: None }, &IMPATIENT).await?;
    client.put(b"bench/after-the-loss", b"1").await?;
    Ok(())
}

fn url(pod: &Pod) -> Option<String> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref()?;
    Some(format!("http://{ip}:{}", ports::CLIENT))
}

fn leader(cluster: &Cluster) -> Result<String> {
    let mut rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
    let leader = rows.find(|row| row.role == Role::Leader);
    Ok(leader.context("the status names no leader")?.name.clone())
}
