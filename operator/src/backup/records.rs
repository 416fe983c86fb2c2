//! The `Backup` objects that mirror what is stored: one for each backup of the cluster, for as long
//! as it is stored.
//!
//! [`diff`] is pure. The objects have no owner: they outlive the cluster, so that a restore can name
//! them.

mod diff;

use std::sync::Arc;

use api::sidecar::{BackupList, StoredBackup};
use api::v1beta1::{Backup, BackupSpec, BackupStatus};
use api::{annotations, labels, objects};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};

pub use self::diff::{lies_in, status_of};

use self::diff::{Diff, diff, status_in};
use super::client::SidecarClient;
use crate::caches::Caches;
use crate::call::{is_namespace_ending, is_not_found, within};
use crate::error::Error;
use crate::validate::Validated;

/// Objects that are written in one look; the rest follows at once in the next.
const AT_A_TIME: usize = 20;

/// Keeps the records of one cluster.
pub struct Recorder<'a> {
    /// The Kubernetes API.
    pub client: &'a Client,
    /// What the watches have seen.
    pub caches: &'a Caches,
    /// The cluster.
    pub cluster: &'a Validated,
    /// Which store its policy names: records of another one are let be.
    pub store: String,
}

impl Recorder<'_> {
    /// Brings the records to what is stored; true when more is to be done. A list of another store, by
    /// a sidecar of an earlier policy, says nothing.
    pub async fn keep(&self, list: &BackupList, sidecar: &SidecarClient) -> Result<bool, Error> {
        if list.store != self.store {
            return Ok(false);
        }
        let existing = self.existing();
        let mut todo = self.diff(&list.backups, &existing);
        let sure;
        if !todo.remove.is_empty() {
            // The list may be older than the record. One that is asked for now is not.
            sure = sidecar
                .list()
                .await
                .map_err(|source| Error::Sidecar { what: "listing the backups", source })?;
            if sure.store != self.store {
                return Ok(false);
            }
            todo = self.diff(&sure.backups, &existing);
        }
        self.carry_out(&todo).await
    }

    fn diff<'b>(&self, stored: &'b [StoredBackup], existing: &'b [Arc<Backup>]) -> Diff<'b> {
        diff(&self.cluster.name.name, &self.cluster.uid, &self.store, stored, existing)
    }

    fn existing(&self) -> Vec<Arc<Backup>> {
        let namespace = self.cluster.name.namespace.as_str();
        let here = self
            .caches
            .backups
            .state_filter(|backup| backup.namespace().as_deref() == Some(namespace));
        let readable = here.iter().filter_map(|backup| backup.0.clone().ok());
        readable
            .filter(|backup| backup.spec.cluster_name == self.cluster.name.name)
            .map(Arc::new)
            .collect()
    }

    async fn carry_out(&self, todo: &Diff<'_>) -> Result<bool, Error> {
        for stored in todo.create.iter().take(AT_A_TIME) {
            match self.create(stored).await {
                Err(error) if is_namespace_ending(&error) => return Ok(false),
                outcome => outcome?,
            }
        }
        for (backup, status) in todo.refresh.iter().take(AT_A_TIME) {
            write_status(self.client, backup, status.clone()).await?;
        }
        for backup in todo.remove.iter().take(AT_A_TIME) {
            self.delete(backup).await?;
        }
        let longest = todo.create.len().max(todo.refresh.len()).max(todo.remove.len());
        Ok(longest > AT_A_TIME)
    }

    /// One that is there already, from an attempt before this one, gets its status by the next look.
    async fn create(&self, stored: &StoredBackup) -> Result<(), Error> {
        let wanted = self.record(stored);
        let params = PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false };
        match within("recording a backup", self.api().create(&params, &wanted)).await {
            Ok(made) => write_status(self.client, &made, status_in(&self.store, stored)).await,
            Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn record(&self, stored: &StoredBackup) -> Backup {
        let cluster = &self.cluster.name.name;
        let spec = BackupSpec { cluster_name: cluster.clone(), ..BackupSpec::default() };
        let mut backup = Backup::new(&objects::backup_record(cluster, &stored.id), spec);
        backup.metadata.namespace = Some(self.cluster.name.namespace.clone());
        let labels = labels::of_cluster(cluster, &stored.cluster_uid);
        backup.metadata.labels = Some(labels);
        let id = (annotations::BACKUP_ID.to_owned(), stored.id.clone());
        backup.metadata.annotations = Some([id].into());
        backup
    }

    async fn delete(&self, backup: &Backup) -> Result<(), Error> {
        let same = Preconditions { uid: backup.uid(), resource_version: backup.resource_version() };
        let params = DeleteParams::default().preconditions(same);
        let call = self.api();
        match within("deleting a record", call.delete(&backup.name_any(), &params)).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn api(&self) -> Api<Backup> {
        Api::namespaced(self.client.clone(), &self.cluster.name.namespace)
    }
}

/// Replaces the status of a `Backup`.
pub async fn write_status(
    client: &Client,
    backup: &Backup,
    status: BackupStatus,
) -> Result<(), Error> {
    let api: Api<Backup> = Api::namespaced(client.clone(), &backup.namespace().unwrap_or_default());
    let mut changed = backup.clone();
    changed.status = Some(status);
    let params = PostParams { field_manager: Some(api::FIELD_MANAGER.into()), dry_run: false };
    let name = changed.name_any();
    let call = api.replace_status(&name, &params, &changed);
    within("writing a backup's status", call).await.map(drop)
}
