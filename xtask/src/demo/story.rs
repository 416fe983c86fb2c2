//! The story: a cluster comes up, loses a member, grows while the operator dies, shrinks, and has lost
//! nothing. Somebody writes to it all the time.

use std::path::Path;
use std::time::Duration;

use ::tests::progress::Progress;
use anyhow::{Context, Result, bail, ensure};
use api::v1beta1::{Cluster, Role};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::ledger::Ledger;
use crate::cluster::{
    Address, Connect, Forward, Namespace, Operator, Writer, at_once, check, is_whole, manifests,
    member_names, within,
};

const NAMESPACE: &str = "etcd-demo";
const CLUSTER: &str = "demo";
/// What any change of the cluster may take, also where images have to be pulled.
const LIMIT: Duration = Duration::from_mins(4);
const FIRST_KEYS: u32 = 100;

/// Where it is told.
pub(super) struct Story<'a> {
    client: &'a Client,
    operator: Operator,
    /// None on the local Kubernetes.
    kustomization: Option<&'a Path>,
    progress: Progress,
}

/// What was there before.
struct Before {
    operator: bool,
    definition: bool,
}

impl<'a> Story<'a> {
    /// On the local Kubernetes.
    pub(super) fn locally(client: &'a Client) -> Self {
        let operator = Operator::new(client, None);
        Self { client, operator, kustomization: None, progress: Progress::new() }
    }

    /// On the Kubernetes of a context, with what this kustomization installs.
    pub(super) fn at(client: &'a Client, context: &str, kustomization: &'a Path) -> Self {
        let operator = Operator::new(client, Some(context));
        let kustomization = Some(kustomization);
        Self { client, operator, kustomization, progress: Progress::new() }
    }

    /// Tells it and, unless asked to `keep` it, removes what was not there before.
    pub(super) async fn tell(&self, keep: bool, ledger: &mut Ledger) -> Result<()> {
        let before = Before {
            operator: self.operator.is_there().await?,
            definition: self.operator.is_defined().await?,
        };
        let told = tokio::select! {
            told = self.chapters(ledger) => told,
            signal = tokio::signal::ctrl_c() => {
                signal.context("waiting for Ctrl-C").and_then(|()| bail!("ended by Ctrl-C"))
            }
        };
        if told.is_err() {
            let words = self.operator.last_words().await;
            self.progress.say(&format!("the operator's last words:\n{words}"));
        }
        if keep {
            return told;
        }
        let removed = self.remove(&before, ledger).await;
        told.and(removed)
    }

    async fn chapters(&self, ledger: &mut Ledger) -> Result<()> {
        self.step(ledger, "install the operator", 5, self.install()).await?;
        let namespace = Namespace::create(self.client, NAMESPACE).await?;
        self.step(ledger, "create a cluster of three", 12, self.resize(&namespace, 3)).await?;
        let forward = Forward::open(&namespace, CLUSTER).await?;
        let writer = Writer::start(Address(forward.url().to_owned()));
        let first = async {
            writer.wait_for(FIRST_KEYS, LIMIT).await?;
            Ok(format!("{FIRST_KEYS} keys; the writer goes on through all that follows"))
        };
        self.step(ledger, "begin to write keys", 4, first).await?;
        self.step(ledger, "kill the leader", 10, self.kill_leader(&namespace, &writer)).await?;
        let grow = self.grow(&namespace, &writer);
        self.step(ledger, "grow to five, kill the operator meanwhile", 20, grow).await?;
        let shrink = self.watched(&writer, self.resize(&namespace, 3));
        self.step(ledger, "shrink to three", 10, shrink).await?;
        let read = Box::pin(read_back(writer, &forward));
        self.step(ledger, "read every key back and compare", 3, read).await
    }

    async fn step(
        &self,
        ledger: &mut Ledger,
        name: &str,
        expected: u64,
        work: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        Box::pin(ledger.step(&self.progress, name, Duration::from_secs(expected), work)).await
    }

    async fn install(&self) -> Result<String> {
        match self.kustomization {
            Some(kustomization) => self.operator.deploy(kustomization).await?,
            None => self.operator.deploy_locally().await?,
        }
        let replicas = self.operator.pods().await?.len();
        Ok(format!("the definition of Cluster, and {replicas} replicas"))
    }

    /// Asks for a size and waits until the operator says that it is reached.
    async fn resize(&self, namespace: &Namespace, size: i32) -> Result<String> {
        namespace.apply(CLUSTER, size).await?;
        let cluster = self.until(namespace, is_whole).await?;
        Ok(format!("{} vote", member_names(&cluster).join(", ")))
    }

    async fn kill_leader(&self, namespace: &Namespace, writer: &Writer) -> Result<String> {
        let cluster = self.until(namespace, is_whole).await?;
        let rows = cluster.status.iter().flat_map(|status| &status.member_statuses);
        let leader = rows.into_iter().find(|row| row.role == Role::Leader);
        let leader = leader.context("the status names no leader")?.name.clone();
        let pods: Api<Pod> = namespace.all();
        let healing = async {
            within("killing a member", pods.delete(&leader, &at_once())).await?;
            let is_healed = |now: &Cluster| is_whole(now) && !member_names(now).contains(&leader);
            let healed = self.until(namespace, is_healed).await?;
            Ok(format!("{leader} is gone; {} vote", member_names(&healed).join(", ")))
        };
        self.watched(writer, healing).await
    }

    async fn grow(&self, namespace: &Namespace, writer: &Writer) -> Result<String> {
        let growing = async {
            namespace.apply(CLUSTER, 5).await?;
            self.until(namespace, |now| member_names(now).len() > 3).await?;
            let killed = self.operator.kill().await?;
            self.progress.say(&format!("        killed all {killed} replicas of the operator"));
            let whole = self.until(namespace, is_whole).await?;
            Ok(format!("{} vote", member_names(&whole).join(", ")))
        };
        self.watched(writer, growing).await
    }

    /// Adds to the sentence what the writer felt of it.
    async fn watched(
        &self,
        writer: &Writer,
        work: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        writer.tally();
        let sentence = work.await?;
        let gap = writer.tally().longest_gap.as_secs_f64();
        Ok(format!("{sentence}; longest time without a write {gap:.1} s"))
    }

    async fn until(
        &self,
        namespace: &Namespace,
        is_so: impl Fn(&Cluster) -> bool,
    ) -> Result<Cluster> {
        let told = |message: &str| self.progress.say(&format!("        {message}"));
        namespace.until(CLUSTER, LIMIT, told, is_so).await
    }

    /// Clusters first, then the operator, then the definition: what deletes clusters goes last.
    async fn remove(&self, before: &Before, ledger: &mut Ledger) -> Result<()> {
        let removing = async {
            Namespace::existing(self.client, NAMESPACE).delete().await?;
            match before {
                Before { operator: true, .. } => {
                    return Ok("the cluster; the operator was there before and stays".to_owned());
                }
                Before { definition, .. } => {
                    self.operator.delete(&manifests("operator")).await?;
                    if !definition {
                        self.operator.delete(&manifests("crds")).await?;
                    }
                }
            }
            Ok("the cluster and the operator; nothing of them is left".to_owned())
        };
        self.step(ledger, "delete it all", 15, removing).await
    }
}

async fn read_back(writer: Writer, forward: &Forward) -> Result<String> {
    let tally = writer.stop().await?;
    let address = Address(forward.url().to_owned());
    check(&address, tally.acknowledged).await?;
    let client = address.connect().await.context("connecting to read back")?;
    let members = client.member_list().await.context("asking etcd for its members")?.members;
    let all_vote = members.len() == 3 && members.iter().all(|member| !member.is_learner);
    ensure!(all_vote, "etcd does not list three voters: {members:?}");
    Ok(format!(
        "all {} acknowledged keys are there, none is changed; {} puts had to be made again",
        tally.acknowledged, tally.failed
    ))
}
