//! The story: where it is told, what is there before it and what is removed after it.
//!
//! ```text
//! life   a cluster loses a member, grows while the operator dies, shrinks, and has lost nothing
//! loss   all members are killed with their data; then all but one
//! copy   a new cluster begins with a backup
//! ```
//!
//! Somebody writes all the time, and the cluster is backed up all the time.

use std::path::Path;
use std::time::Duration;

use ::tests::progress::Progress;
use anyhow::{Context, Result, bail};
use kube::Client;

use super::ledger::Ledger;
use super::scene::{EVERY, Scene};
use super::{copy, life, loss};
use crate::cluster::{Namespace, Operator, Store, manifests};

const NAMESPACE: &str = "etcd-demo";

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Backups {
    /// To an S3 server beside the local Kubernetes.
    Local,
    /// To one that runs as a pod of this image.
    Pod { image: String },
    /// None are taken, and what follows from them is not shown.
    LeftOut,
}

/// Where it is told.
pub(super) struct Story<'a> {
    client: &'a Client,
    pub(super) operator: Operator,
    /// None on the local Kubernetes.
    kustomization: Option<&'a Path>,
    backups: Backups,
    pub(super) progress: Progress,
}

/// What was there before.
struct Before {
    operator: bool,
    definition: bool,
}

impl<'a> Story<'a> {
    /// On the local Kubernetes.
    pub(super) fn locally(client: &'a Client, backups: Backups) -> Self {
        let operator = Operator::new(client, None);
        Self { client, operator, kustomization: None, backups, progress: Progress::new() }
    }

    /// On the Kubernetes of a context, with what this kustomization installs.
    pub(super) fn at(
        client: &'a Client,
        context: &str,
        kustomization: &'a Path,
        backups: Backups,
    ) -> Self {
        let operator = Operator::new(client, Some(context));
        let kustomization = Some(kustomization);
        Self { client, operator, kustomization, backups, progress: Progress::new() }
    }

    /// Tells it and, unless asked to `keep` it, removes what was not there before.
    pub(super) async fn tell(&self, keep: bool, ledger: &mut Ledger) -> Result<()> {
        let before = Before {
            operator: self.operator.is_there().await?,
            definition: self.operator.is_defined().await?,
        };
        // Here, because a cluster that is deleted takes a last backup.
        let mut store = None;
        let told = tokio::select! {
            told = self.chapters(&mut store, ledger) => told,
            signal = tokio::signal::ctrl_c() => {
                signal.context("waiting for Ctrl-C").and_then(|()| bail!("ended by Ctrl-C"))
            }
        };
        if told.is_err() {
            let words = self.operator.last_words().await;
            self.progress.say(&format!("the operator's last words:\n{words}"));
        }
        if keep {
            if let Some(store) = store {
                store.leave();
            }
            return told;
        }
        let removed = self.remove(&before, ledger).await;
        told.and(removed)
    }

    async fn chapters(&self, store: &mut Option<Store>, ledger: &mut Ledger) -> Result<()> {
        self.step(ledger, "install the operator", 5, self.install()).await?;
        let namespace = Namespace::create(self.client, NAMESPACE).await?;
        if !matches!(self.backups, Backups::LeftOut) {
            let starting = Box::pin(self.start_store(&namespace));
            *store = Some(self.step_for(ledger, "start an S3 server", 3, starting).await?);
        }
        let policy = store.as_ref().map(Store::policy);
        let scene = Scene::open(self, namespace, policy).await?;
        let written = Box::pin(life::tell(&scene, ledger)).await?;
        if store.is_none() {
            let what = "backups, all members lost, one survivor, a restore under another name";
            ledger.left_out(what, "as --no-backups asks");
            return Ok(());
        }
        Box::pin(loss::tell(&scene, ledger, written)).await?;
        Box::pin(copy::tell(&scene, ledger)).await
    }

    /// One step whose outcome is a sentence.
    pub(super) async fn step(
        &self,
        ledger: &mut Ledger,
        name: &str,
        expected: u64,
        work: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        Box::pin(ledger.step(&self.progress, name, Duration::from_secs(expected), work)).await
    }

    /// One step with something in it that later ones need.
    pub(super) async fn step_for<T>(
        &self,
        ledger: &mut Ledger,
        name: &str,
        expected: u64,
        work: impl Future<Output = Result<(String, T)>>,
    ) -> Result<T> {
        Box::pin(ledger.step_for(&self.progress, name, Duration::from_secs(expected), work)).await
    }

    async fn install(&self) -> Result<String> {
        match self.kustomization {
            Some(kustomization) => self.operator.deploy(kustomization).await?,
            None => self.operator.deploy_locally().await?,
        }
        let replicas = self.operator.pods().await?.len();
        Ok(format!("the definitions of Cluster and Backup, and {replicas} replicas"))
    }

    async fn start_store(&self, namespace: &Namespace) -> Result<(String, Store)> {
        let store = match &self.backups {
            Backups::Pod { image } => Store::start_in(namespace, image).await?,
            Backups::Local | Backups::LeftOut => Store::start_locally(namespace).await?,
        };
        let sentence = format!("SeaweedFS, an empty bucket; backups every {EVERY} s from now on");
        Ok((sentence, store))
    }

    /// Clusters first, then the operator, then the definitions: what deletes clusters goes last.
    async fn remove(&self, before: &Before, ledger: &mut Ledger) -> Result<()> {
        let removing = async {
            let namespace = Namespace::existing(self.client, NAMESPACE);
            let clusters = namespace.delete_clusters().await?;
            namespace.delete().await?;
            let gone =
                format!("clusters: {clusters}, each with a last backup where it has a policy");
            match before {
                Before { operator: true, .. } => {
                    return Ok(format!("{gone}; the operator was there before and stays"));
                }
                Before { definition, .. } => {
                    self.operator.delete(&manifests("operator")).await?;
                    if !definition {
                        self.operator.delete(&manifests("crds")).await?;
                    }
                }
            }
            Ok(format!("{gone}; the operator; nothing of them is left"))
        };
        self.step(ledger, "delete it all", 15, removing).await
    }
}
