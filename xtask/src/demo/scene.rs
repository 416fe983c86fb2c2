//! What all chapters share: the clusters' namespace, the way to the first cluster, and what a person sees.

use std::time::Duration;

use ::tests::writer::Writer;
use anyhow::{Context, Result};
use api::v1beta1::Cluster;
use etcd::KeyValue;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::story::Story;
use crate::cluster::{Address, Connect, Forward, Namespace, at_once, within};

/// The cluster that everything befalls.
pub(super) const CLUSTER: &str = "demo";
/// What any change of a cluster may take, also where images have to be pulled.
pub(super) const LIMIT: Duration = Duration::from_mins(4);
/// Seconds between two backups.
pub(super) const EVERY: u32 = 5;
/// How many are kept.
const KEPT: u32 = 6;

/// The stage.
pub(super) struct Scene<'a> {
    story: &'a Story<'a>,
    pub(super) namespace: Namespace,
    /// The part of a policy that says where backups go; none are taken without.
    place: Option<Value>,
    forward: Forward,
}

impl<'a> Scene<'a> {
    pub(super) async fn open(
        story: &'a Story<'a>,
        namespace: Namespace,
        place: Option<Value>,
    ) -> Result<Self> {
        let forward = Forward::open(&namespace, CLUSTER).await?;
        Ok(Self { story, namespace, place, forward })
    }

    /// Where the cluster's clients connect to.
    pub(super) fn address(&self) -> Address {
        Address(self.forward.url().to_owned())
    }

    pub(super) async fn step(
        &self,
        ledger: &mut Ledger,
        name: &str,
        expected: u64,
        work: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        self.story.step(ledger, name, expected, work).await
    }

    pub(super) async fn step_for<T>(
        &self,
        ledger: &mut Ledger,
        name: &str,
        expected: u64,
        work: impl Future<Output = Result<(String, T)>>,
    ) -> Result<T> {
        self.story.step_for(ledger, name, expected, work).await
    }

    pub(super) fn is_backed_up(&self) -> bool {
        self.place.is_some()
    }

    /// A spec of this size, backed up where that is shown.
    pub(super) fn spec(&self, size: i32) -> Value {
        let mut spec = json!({"size": size});
        let mut policy = self.place.clone();
        if let Some(policy) = policy.as_mut().and_then(Value::as_object_mut) {
            policy.insert("backupIntervalInSecond".to_owned(), json!(EVERY));
            policy.insert("maxBackups".to_owned(), json!(KEPT));
        }
        if let (Some(spec), Some(policy)) = (spec.as_object_mut(), policy) {
            spec.insert("backup".to_owned(), policy);
        }
        spec
    }

    /// Follows a cluster until `is_so`, and shows its messages.
    pub(super) async fn until(
        &self,
        cluster: &str,
        is_so: impl Fn(&Cluster) -> bool,
    ) -> Result<Cluster> {
        self.namespace.until(cluster, LIMIT, |message| self.say(message), is_so).await
    }

    /// The cluster as it is now.
    pub(super) async fn cluster(&self) -> Result<Cluster> {
        let all: Api<Cluster> = self.namespace.all();
        within("reading the cluster", all.get(CLUSTER)).await
    }

    /// Kills pods all at the same time, with the data in them.
    pub(super) async fn kill(&self, names: &[String]) -> Result<()> {
        let (pods, now): (Api<Pod>, _) = (self.namespace.all(), at_once());
        let kills = names.iter().map(|name| within("killing a member", pods.delete(name, &now)));
        try_join_all(kills).await.map(drop)
    }

    /// Adds to the sentence what the writer felt of it.
    pub(super) async fn watched(
        &self,
        writer: &Writer,
        work: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        writer.tally();
        let sentence = work.await?;
        let gap = writer.tally().longest_gap.as_secs_f64();
        Ok(format!("{sentence}; longest time without a write {gap:.1} s"))
    }

    /// Kills all replicas of the operator.
    pub(super) async fn kill_operator(&self) -> Result<usize> {
        self.story.operator.kill().await
    }

    pub(super) fn say(&self, line: &str) {
        self.story.progress.say(&format!("        {line}"));
    }

    /// What a person sees at this moment.
    pub(super) async fn show(&self) -> Result<()> {
        let what = if self.is_backed_up() { "etcd,backups" } else { "etcd" };
        let args = ["-n", self.namespace.name(), "get", what];
        let seen = self.story.operator.kubectl().run(&args).await?;
        self.say(&format!("$ kubectl {}", args.join(" ")));
        for line in seen.lines() {
            self.say(line);
        }
        Ok(())
    }

    /// kubectl in the namespace, for what a person does with it.
    pub(super) async fn kubectl(&self, args: &[&str]) -> Result<String> {
        let args = [&["-n", self.namespace.name()], args].concat();
        self.story.operator.kubectl().run(&args).await
    }
}

/// All keys that somebody at this address has, with everything that etcd says of each.
pub(super) async fn all_keys(address: &Address) -> Result<Vec<KeyValue>> {
    let client = address.connect().await.context("connecting to read the keys")?;
    client.get_prefix(b"").await.context("reading all keys")
}
